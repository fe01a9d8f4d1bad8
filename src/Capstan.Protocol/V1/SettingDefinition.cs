using System.Globalization;

namespace Capstan.Protocol.V1;

/// <summary>A setting of clients: its type, range, default and unit. Site and client read the same table, <see cref="All"/>.</summary>
/// <remarks>The set is closed. On the wire a value is text in one form (<see cref="TryRead"/> gives it), so that a client which does not know a name, or the range of a newer site, leaves it alone and says so.</remarks>
public sealed class SettingDefinition
{
    /// <summary>How often a client runs the complete workflow and reports.</summary>
    public const string Cycle = "cycle";
    public const string Heartbeat = "heartbeat";
    public const string Inventory = "inventory";
    public const string Poll = "poll";
    public const string SpoolSize = "spoolSize";
    public const string LogLevel = "logLevel";
    public const string Builds = "builds";
    /// <summary>The value of <see cref="Builds"/> with which a client stays with what it runs.</summary>
    public const string HoldBuilds = "hold";
    public const string MaintenanceWindow = "maintenance.window";
    public const string RemovalPause = "removal.pause";
    public const string LeaveAfter = "leaveAfter";
    public const string CacheSize = "cache.size";
    public const string ContentHours = "content.hours";
    public const string ContentRate = "content.rate";
    public const string ContentSlowLink = "content.slowLink";

    private const int Hour = 3_600, Day = 24 * Hour;

    private SettingDefinition(string name, string standard, string description)
    {
        Name = name;
        Default = standard;
        Description = description;
    }

    /// <summary>Every setting there is, by name.</summary>
    public static IReadOnlyList<SettingDefinition> All { get; } =
    [
        Word(Builds, ["follow", HoldBuilds], "follow", "Whether a client takes orders about builds of the agent, or stays with what it runs"),
        Size(CacheSize, 10_000_000, 10_000_000_000_000, 10_000_000_000, "How much content of packages a client keeps; what programs need next stays, the rest goes, longest unused first"),
        Hours(ContentHours, "When a client reads content of packages that no program waits for past its time; by its own clock"),
        Rate(ContentRate, 1_000, 10_000_000_000, 0, canBeOff: true, "How fast a client reads content of packages; looked up before each read"),
        Rate(ContentSlowLink, 1_000, 1_000_000_000, 125_000, canBeOff: false, "Below it the way to a CAP is slow, as the reads of content themselves show"),
        Duration(Cycle, 5 * 60, 31 * Day, 82_800, canBeOff: false, "How often a client verifies everything and reports"),
        Duration(Heartbeat, Hour, 31 * Day, 7 * Day, canBeOff: false, "How often a client sends a heartbeat at least"),
        Duration(Inventory, Hour, 31 * Day, Day, canBeOff: false, "How often inventory is collected; sent only when it changed"),
        Duration(LeaveAfter, 30 * Day, 3_650 * Day, 0, canBeOff: true, "How long a client that runs may find no CAP before it stops trying but once a day; time while it is switched off does not count"),
        Word(LogLevel, ["warning", "information", "debug", "trace"], "information", "What the client's own log file holds"),
        Hours(MaintenanceWindow, "When programs begin by themselves, and a machine is started anew for one, unless a deadline has passed or a person asked; by its own clock"),
        Duration(Poll, 60, 31 * Day, 0, canBeOff: true, "How often a client looks for orders, where that is longer than its CAP's interval"),
        Duration(RemovalPause, 60, 31 * Day, Hour, canBeOff: true, "How long after the end of an offer what it did is removed; a machine that goes from one collection to another is for a moment in neither"),
        Size(SpoolSize, 256 << 10, 4_000_000, 4_000_000, "How much may wait for the site's acknowledgement before nothing is added"),
    ];

    public string Name { get; }
    public string Description { get; }

    /// <summary>As it stands on the wire.</summary>
    public string Default { get; }

    /// <summary><c>s</c> for times, <c>By</c> for sizes, <c>By/s</c> for rates, empty for words and hours.</summary>
    public string Unit { get; private init; } = "";

    /// <summary>Limits of a number; both included.</summary>
    public long Least { get; private init; }
    public long Most { get; private init; }

    /// <summary>0, below <see cref="Least"/>, is allowed, too, and means "not at all".</summary>
    public bool CanBeOff { get; private init; }

    /// <summary>What a word may be; empty for a number.</summary>
    public IReadOnlyList<string> Words { get; private init; } = [];

    /// <summary>Hours of each day, as <see cref="DailyHours"/> reads them.</summary>
    public bool IsHours { get; private init; }

    /// <summary>Null for a name that is not of the set.</summary>
    public static SettingDefinition? Find(string name) => All.FirstOrDefault(setting => setting.Name == name);

    /// <summary>Whether a text is a value in its one form on the wire, within the range.</summary>
    public bool Holds(string value) => IsHours ? DailyHours.TryParse(value, out _) : Words.Count > 0
        ? Words.Contains(value, StringComparer.Ordinal)
        : long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && value == number.ToString(CultureInfo.InvariantCulture) && IsInRange(number);

    /// <summary>Reads what a person writes: <c>12h</c>, <c>30m</c>, <c>2MB</c>, <c>off</c>, a bare number in the unit, a word.</summary>
    /// <param name="value">In its one form; what was given where it does not fit.</param>
    public bool TryRead(string text, out string value)
    {
        value = text;
        if (IsHours || Words.Count > 0)
            return Holds(text);
        if (CanBeOff && text == "off")
            value = "0";
        else if (Number(text) is { } number)
            value = number.ToString(CultureInfo.InvariantCulture);
        return Holds(value);
    }

    /// <summary>A value for a person: <c>23h</c>, <c>4,000,000 bytes</c>, <c>125,000 bytes/s</c>, <c>off</c>.</summary>
    public string Show(string value)
    {
        if (IsHours || Words.Count > 0 || !long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return value;
        if (CanBeOff && number == 0)
            return "off";
        if (Unit == "By")
            return number.ToString("N0", CultureInfo.InvariantCulture) + " bytes";
        if (Unit == "By/s")
            return number.ToString("N0", CultureInfo.InvariantCulture) + " bytes/s";
        var (size, unit) = number % Day == 0 ? (Day, "d") : number % Hour == 0 ? (Hour, "h") : number % 60 == 0 ? (60, "m") : (1, "s");
        return (number / size).ToString(CultureInfo.InvariantCulture) + unit;
    }

    /// <summary>What is allowed, for a person: <c>5m to 31d</c>.</summary>
    public string Range => IsHours ? "any, or hours as 22:00-06:00" : Words.Count > 0 ? string.Join(", ", Words)
        : $"{Show(Least.ToString(CultureInfo.InvariantCulture))} to {Show(Most.ToString(CultureInfo.InvariantCulture))}{(CanBeOff ? ", or off" : "")}";

    private bool IsInRange(long number) => (number >= Least && number <= Most) || (CanBeOff && number == 0);

    private long? Number(string text)
    {
        var digits = text.TrimEnd([.. "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"]);
        long? size = (text[digits.Length..], Unit) switch
        {
            ("", _) => 1,
            ("s", "s") => 1,
            ("m", "s") => 60,
            ("h", "s") => Hour,
            ("d", "s") => Day,
            ("B", "By" or "By/s") => 1,
            ("KB", "By" or "By/s") => 1_000,
            ("MB", "By" or "By/s") => 1_000_000,
            ("GB", "By" or "By/s") => 1_000_000_000,
            _ => null,
        };
        return size is { } unit && long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= long.MaxValue / 1_000_000_000 ? number * unit : null;
    }

    private static SettingDefinition Duration(string name, long least, long most, long standard, bool canBeOff, string description) =>
        new(name, standard.ToString(CultureInfo.InvariantCulture), description) { Unit = "s", Least = least, Most = most, CanBeOff = canBeOff };

    private static SettingDefinition Size(string name, long least, long most, long standard, string description) =>
        new(name, standard.ToString(CultureInfo.InvariantCulture), description) { Unit = "By", Least = least, Most = most };

    private static SettingDefinition Rate(string name, long least, long most, long standard, bool canBeOff, string description) =>
        new(name, standard.ToString(CultureInfo.InvariantCulture), description) { Unit = "By/s", Least = least, Most = most, CanBeOff = canBeOff };

    private static SettingDefinition Hours(string name, string description) => new(name, DailyHours.Any.ToString(), description) { IsHours = true };

    private static SettingDefinition Word(string name, string[] words, string standard, string description) => new(name, standard, description) { Words = words };
}

/// <summary>A setting in a policy.</summary>
/// <param name="Name">As <see cref="SettingDefinition.Name"/>; one that the reader does not know is left alone.</param>
/// <param name="Value">In its one form on the wire.</param>
/// <param name="From">Where it was set, for people: <c>site</c>, <c>collection:NAME</c> or <c>client</c>.</param>
public sealed record PolicySetting(string Name, string Value, string From)
{
    public const string Site = "site", Client = "client", CollectionPrefix = "collection:";

    internal void Check(Problems problems)
    {
        problems.Word("name", Name);
        problems.Line("value", Value, 256);
        problems.Line("from", From, 128);
    }
}
