using Capstan.Cli.Output;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary>A machine that comes to a collection or an advertisement, or leaves it, in the list of what would happen.</summary>
internal sealed record MachineChange(string Sign, CollectionMember Client)
{
    /// <param name="coming">Null for none, as <paramref name="leaving"/>.</param>
    public static IReadOnlyList<MachineChange> Of(IReadOnlyList<CollectionMember>? coming, IReadOnlyList<CollectionMember>? leaving) =>
        [.. (coming ?? []).Select(client => new MachineChange("+", client)), .. (leaving ?? []).Select(client => new MachineChange("-", client))];

    public static Listing<MachineChange> Listing(string whenEmpty) => new(
        [new("", row => row.Sign, NoWrap: true), new("HOST", row => VisibleText.Of(row.Client.HostName, 40)), new("ID", row => row.Client.Fingerprint, NoWrap: true), new("SYSTEM", row => VisibleText.Of(row.Client.OperatingSystem, 40))],
        [new("change", row => row.Sign == "+" ? "comes" : "leaves"), new("deviceId", row => row.Client.DeviceId), new("hostName", row => row.Client.HostName)], ApiJson.Default, whenEmpty);
}
