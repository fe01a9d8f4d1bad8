using Capstan.Client.State;

namespace Capstan.Client.Identity;

/// <summary>This machine is to make an identity of its own: the next cycle begins with it.</summary>
/// <param name="Speaker">Under which name the site told it to; null for a machine that the site does not know yet, which decides alone and needs no proof.</param>
internal sealed record IdentityOrder(string? Speaker)
{
    /// <summary>By its own decision.</summary>
    public static readonly IdentityOrder Own = new((string?)null);

    /// <summary>Null for none.</summary>
    public static IdentityOrder? Of(ClientState state) => state.Get(StateKey.NewIdentityWanted) is { } text ? new IdentityOrder(text.Length == 0 ? null : text) : null;

    /// <summary>As it stands in the state; null for none.</summary>
    public static (string Name, string? Value) Entry(IdentityOrder? order) => (StateKey.NewIdentityWanted, order is null ? null : order.Speaker ?? "");
}
