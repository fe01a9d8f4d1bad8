using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Capstan.Ncp.Bindery;

namespace Capstan.Nal.Providers.Nwbind;

/// <summary>What tells one connection of a NetWare server from all others: its number is given again and again, so login time and own address belong to it.</summary>
/// <param name="LoginTime">By the server's clock.</param>
/// <param name="Address">Of this side, as the server tells it; null where it does not.</param>
internal sealed record NwbindSession(int Number, DateTime LoginTime, string? Address)
{
    private const int NumberBits = 24;
    private static readonly DateTime Epoch = new(1980, 1, 1, 0, 0, 0, DateTimeKind.Unspecified);

    /// <summary>Number and login time, as the journal keeps them: seconds from 1980, and 24 bits.</summary>
    public ulong Id => ((ulong)(LoginTime - Epoch).TotalSeconds << NumberBits) | (uint)Number;

    public static NwbindSession Of(PreviousSession previous) =>
        new((int)(previous.Id & ((1u << NumberBits) - 1)), Epoch.AddSeconds(Math.Min(previous.Id >> NumberBits, uint.MaxValue)), previous.LocalAddress);

    /// <summary>A server's identity: its name, which is unique among the servers of a network.</summary>
    public static Guid ServerId(string name) => new(SHA256.HashData(Encoding.UTF8.GetBytes($"ncp:{name.ToUpperInvariant()}")).AsSpan(0, 16));

    public static string? Show(ConnectionAddress? address) => address?.Address?.ToString();

    /// <summary>What has become of this session, by what the server says of its number now. Pure.</summary>
    /// <param name="address">Null where the server does not tell.</param>
    public NwbindFate Judge(string account, ConnectionInformation now, string? address) =>
        now.IsEmpty || !string.Equals(now.User.Name, account, StringComparison.OrdinalIgnoreCase) || now.LoginTime != LoginTime ? NwbindFate.Gone
        : Address is null || address is null ? NwbindFate.Unproven
        : address == Address ? NwbindFate.Ours
        : NwbindFate.Gone;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"connection {Number} ({LoginTime:yyyy-MM-dd HH:mm:ss} by the server's clock)");
}

/// <summary>What has become of a session that nobody here holds any more.</summary>
internal enum NwbindFate
{
    /// <summary>The number is free, or somebody else's.</summary>
    Gone,
    /// <summary>Object, login time and address agree: it is this machine's, and may be ended.</summary>
    Ours,
    /// <summary>It may be this machine's, or that of another one with the same account: it is left alone.</summary>
    Unproven,
}
