using System.Data.Common;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;
using Capstan.Site.Store;

namespace Capstan.Site.Load;

/// <summary>Keeps one identity to one machine: notes who speaks, tells copies to make their own, and takes them in under it. <see cref="CloneRule"/> decides.</summary>
internal static class Identities
{
    /// <summary>Machines that one identity, and all made from it, may become in <see cref="CopiesTime"/> without a person: whoever holds its key can ask for as many.</summary>
    public const int MaxCopies = 16;

    /// <summary>See <see cref="MaxCopies"/>.</summary>
    public static readonly TimeSpan CopiesTime = TimeSpan.FromDays(1);

    /// <summary>The label of a device that gave up an identity.</summary>
    public static string CopyOf(string deviceId) => $"copy of {deviceId}";

    public static bool IsNewcomer(DeviceRow device, Upload upload) => device.Newcomers != "[]" && CloneRule.IsNewcomer(Names(device), SpeakerOf(upload));

    /// <summary>Notes who made a record that was taken in.</summary>
    /// <returns>True when the policy of the device must say something new.</returns>
    public static async Task<bool> HeardAsync(DbTransaction transaction, DeviceRow device, Upload upload, DateTimeOffset now)
    {
        var registered = device.InstallNonce;
        if (registered.Length == 0)
        {
            registered = upload.InstallNonce;
            await DeviceStore.RegisterNonceAsync(transaction, device.Number, registered);
        }
        var history = JsonSerializer.Deserialize(device.Speakers, StoreJson.Default.IReadOnlyListSpeaker)!;
        var (kept, newcomers) = CloneRule.Heard(history, SpeakerOf(upload), registered);
        if (ReferenceEquals(kept, history))
            return false;
        await DeviceStore.HeardAsync(transaction, device.Number, JsonSerializer.Serialize(kept, StoreJson.Default.IReadOnlyListSpeaker),
            newcomers.Count == 0 ? device.Newcomers : Text(Names(device).Concat(newcomers).Distinct(StringComparer.Ordinal).TakeLast(Policy.MaxNewIdentities)));
        if (newcomers.Count == 0)
            return false;
        await StatusStore.AddAsync(transaction, device.Number, Message("warning", "identity_shared",
            $"Two machines report under this identity in turn: one is a copy of the other's disk. {(newcomers.Count == 1 ? "The copy is" : $"{newcomers.Count} copies are")} told to make an identity of its own, "
                + "and appears as another client; until then its records go to quarantine (other_machine). Prepare images without a client, or before it is installed.", now), now);
        return true;
    }

    /// <summary>Takes in a machine that gave up an identity as it was told.</summary>
    public static async Task<Replacement> ReplaceAsync(DbTransaction transaction, string siteCode, FormerIdentity former, DeviceId next, DateTimeOffset now)
    {
        const string NotTold = "it was not told to give up the identity that it names";
        if (await DeviceStore.FindAsync(transaction, former.DeviceId) is not { State: DeviceState.Approved } device || !Names(device).Contains(former.Speaker, StringComparer.Ordinal))
            return new Replacement(NotTold, null);
        using var key = new VerifyingKey(JsonSerializer.Deserialize(device.SigningKey, StoreJson.Default.Jwk)!);
        if (!former.IsProven(key, siteCode, next))
            return new Replacement(NotTold, null);
        var origin = device.Origin ?? device.DeviceId;
        if (device.Origin is not null && await DeviceStore.FindAsync(transaction, origin) is { State: DeviceState.Retired })
            return new Replacement($"the client {origin}, of which it is a copy, is retired", origin);
        if (await DeviceStore.CountCopiesAsync(transaction, origin, now - CopiesTime) >= MaxCopies)
            return new Replacement($"more than {MaxCopies} copies of the client {origin} have asked within {CopiesTime.TotalHours:0} hours", origin);
        // Once: the name stands for one machine, which now has an identity.
        await DeviceStore.HeardAsync(transaction, device.Number, device.Speakers, Text(Names(device).Where(name => name != former.Speaker)));
        await StatusStore.AddAsync(transaction, device.Number, Message("information", "identity_separated",
            $"The copy that reported under this identity is client {next} ({next.Fingerprint}) now.", now), now);
        return new Replacement(null, origin);
    }

    private static Speaker SpeakerOf(Upload upload) => new(upload.InstallNonce, upload.Instance) { Previous = upload.PreviousInstance };

    private static IReadOnlyList<string> Names(DeviceRow device) => JsonSerializer.Deserialize(device.Newcomers, StoreJson.Default.IReadOnlyListString)!;

    private static string Text(IEnumerable<string> names) => JsonSerializer.Serialize([.. names], StoreJson.Default.IReadOnlyListString);

    private static StatusMessage Message(string severity, string code, string text, DateTimeOffset now) => new()
    {
        Severity = severity,
        Code = code,
        Component = "identity",
        Text = text,
        ReportedAt = Times.Of(now),
    };
}

/// <summary>What becomes of a machine that says which identity it gave up.</summary>
/// <param name="Refusal">Why it is not approved by that; null when it is.</param>
/// <param name="Origin">The first identity of all of which it is proven to be a copy; null for none.</param>
internal readonly record struct Replacement(string? Refusal, string? Origin);
