using Capstan.Protocol.V1;

namespace Capstan.Client.Identity;

/// <summary>What two looks at the hardware say about whether it is one machine.</summary>
internal enum MachineMatch
{
    /// <summary>They have nothing to compare: evidence is missing, or readable by another user only.</summary>
    Unknown = 1,
    Same = 2,
    Other = 3,
}

/// <summary>Values of the hardware that no two machines share: kind and value, for example <c>uuid:4c4c4544-…</c>, sorted. Pure.</summary>
/// <remarks>
/// Evidence never identifies a device, its key does; it only says whether a directory still lies on the machine on which it was made.
/// So it is enough that one value is still there: boards, disks and adapters are replaced one at a time.
/// What many machines have (fillers of vendors, adapters that travel, defaults of hypervisors) is left out by <see cref="JunkEvidence"/>.
/// </remarks>
internal sealed record HardwareEvidence(IReadOnlyList<string> Values)
{
    public static readonly HardwareEvidence None = new([]);

    public static HardwareEvidence Of(HardwareInventory hardware)
    {
        var values = new SortedSet<string>(StringComparer.Ordinal);
        Add("uuid", hardware.System.Uuid, JunkEvidence.IsUuid);
        Add("system", hardware.System.SerialNumber, JunkEvidence.IsSerialNumber);
        Add("board", hardware.Board?.SerialNumber, JunkEvidence.IsSerialNumber);
        foreach (var disk in hardware.Disks.Where(disk => disk.Bus != "usb"))
            Add("disk", disk.SerialNumber, JunkEvidence.IsDiskSerialNumber);
        foreach (var adapter in hardware.NetworkAdapters)
            Add("mac", adapter.Mac, mac => JunkEvidence.IsAdapter(adapter.Name, adapter.Driver) || JunkEvidence.IsMac(mac));
        return new HardwareEvidence([.. values]);

        void Add(string kind, string? value, Func<string, bool> isJunk)
        {
            if (value?.Trim().ToLowerInvariant() is { Length: > 0 } text && !isJunk(text))
                values.Add($"{kind}:{text}");
        }
    }

    /// <summary>Other: nothing that is told now was there before, although values of one kind at least are told both times.</summary>
    public static MachineMatch Compare(HardwareEvidence before, HardwareEvidence now)
    {
        if (before.Values.Intersect(now.Values, StringComparer.Ordinal).Any())
            return MachineMatch.Same;
        return before.Values.Select(Kind).Intersect(now.Values.Select(Kind), StringComparer.Ordinal).Any() ? MachineMatch.Other : MachineMatch.Unknown;
    }

    public static HardwareEvidence Parse(string text) => new(text.Split('\n', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>One value a line. No value has a line break: the collectors take control characters out.</summary>
    public string ToText() => string.Join('\n', Values);

    private static string Kind(string value) => value[..value.IndexOf(':', StringComparison.Ordinal)];
}
