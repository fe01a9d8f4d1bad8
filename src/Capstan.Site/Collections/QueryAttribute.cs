namespace Capstan.Site.Collections;

internal enum QueryType
{
    Text = 1,
    /// <summary>A plain number.</summary>
    Number = 2,
    /// <summary>Bytes.</summary>
    Size = 3,
    /// <summary>Milliseconds.</summary>
    Time = 4,
}

/// <summary>What an expression may ask of a device. The table is closed: names and columns come from here and nowhere else.</summary>
/// <param name="Name">As it is written; read in any case of letters.</param>
/// <param name="Column">What the statement says for it; <c>f</c> is the device's row of facts, <c>d</c> the device's own. Text is folded there (<see cref="Folding"/>).</param>
internal sealed record QueryAttribute(string Name, QueryType Type, string Column, string Description)
{
    public static IReadOnlyList<QueryAttribute> All { get; } =
    [
        new("host", QueryType.Text, "f.host", "name of the machine"),
        new("id", QueryType.Text, "d.device_id", "the client's device id"),
        new("os", QueryType.Text, "f.os", "operating system, for example \"Debian GNU/Linux 13 (trixie)\""),
        new("platform", QueryType.Text, "f.platform", "what the agent was built for: linux-x64, linux-arm64, win-x64"),
        new("model", QueryType.Text, "f.model", "model of the machine"),
        new("manufacturer", QueryType.Text, "f.manufacturer", "who made the machine"),
        new("architecture", QueryType.Text, "f.architecture", "of the processor, as the system says: x86_64"),
        new("kernel", QueryType.Text, "f.kernel", "release of the kernel"),
        new("virtualization", QueryType.Text, "f.virtualization", "kvm, vmware, docker …; unknown on bare metal"),
        new("agent", QueryType.Text, "f.agent", "version of the client's agent"),
        new("token", QueryType.Text, "f.token", "label of the token that it was installed with"),
        new("memory", QueryType.Size, "d.memory_bytes", "memory that the system uses"),
        new("diskFree", QueryType.Size, "f.disk_free_bytes", "free room on the file system of /, when the inventory was made"),
        new("diskSize", QueryType.Size, "f.disk_size_bytes", "size of the file system of /"),
        new("threads", QueryType.Number, "f.threads", "logical processors"),
        new("packages", QueryType.Number, "d.package_count", "how many packages are installed"),
        new("silent", QueryType.Time, "(@now - d.last_seen)", "how long since something came from it"),
        new("age", QueryType.Time, "(@now - d.approved_at)", "how long since it became a client"),
    ];

    /// <summary>Null for a name that is none.</summary>
    public static QueryAttribute? Find(string name) => All.FirstOrDefault(attribute => attribute.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    public override string ToString() => Name;
}

/// <summary>Units of amounts, the largest first of each family.</summary>
internal static class QueryUnit
{
    private static readonly (string Name, QueryType Type, long Factor)[] s_units =
    [
        ("TiB", QueryType.Size, 1L << 40), ("TB", QueryType.Size, 1_000_000_000_000), ("GiB", QueryType.Size, 1L << 30), ("GB", QueryType.Size, 1_000_000_000), ("MiB", QueryType.Size, 1L << 20),
        ("MB", QueryType.Size, 1_000_000), ("KiB", QueryType.Size, 1L << 10), ("KB", QueryType.Size, 1_000), ("B", QueryType.Size, 1),
        ("d", QueryType.Time, 86_400_000), ("h", QueryType.Time, 3_600_000), ("min", QueryType.Time, 60_000), ("s", QueryType.Time, 1_000), ("ms", QueryType.Time, 1),
        ("days", QueryType.Time, 86_400_000), ("day", QueryType.Time, 86_400_000), ("hours", QueryType.Time, 3_600_000), ("hour", QueryType.Time, 3_600_000), ("weeks", QueryType.Time, 604_800_000), ("week", QueryType.Time, 604_800_000),
    ];

    public static string Names(QueryType type) => type switch
    {
        QueryType.Size => "B, KB, MB, GB, TB, KiB, MiB, GiB or TiB",
        QueryType.Time => "s, min, h, d, hours, days or weeks",
        _ => "no unit",
    };

    /// <summary>How much one of it is; null for a unit that the type does not have.</summary>
    public static long? Factor(QueryType type, string unit) =>
        s_units.Where(entry => entry.Type == type && entry.Name.Equals(unit, StringComparison.OrdinalIgnoreCase)).Select(entry => (long?)entry.Factor).FirstOrDefault();

    /// <summary>In the largest unit that leaves nothing over: <c>4 GiB</c>, <c>30 d</c>.</summary>
    public static string Write(QueryType type, long value)
    {
        if (type == QueryType.Number || value == 0)
            return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{value}{(type == QueryType.Size ? " B" : type == QueryType.Time ? " s" : "")}");
        var (name, _, factor) = s_units.First(entry => entry.Type == type && value % entry.Factor == 0);
        return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{value / factor} {name}");
    }
}
