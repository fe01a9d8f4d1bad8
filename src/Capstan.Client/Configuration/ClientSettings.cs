using System.Globalization;
using Capstan.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace Capstan.Client.Configuration;

/// <summary>What the policy in force sets for this client; what it does not set, or sets to what this program does not understand, has its default. Pure.</summary>
internal sealed record ClientSettings
{
    public TimeSpan? Cycle { get; init; }
    public TimeSpan? Heartbeat { get; init; }
    public TimeSpan? Inventory { get; init; }

    /// <summary>Between two looks at a CAP, where that is longer than the CAP's own interval.</summary>
    public TimeSpan? Poll { get; init; }
    public long SpoolBytes { get; init; } = Spool.RecordSpool.MaxBytes;
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>Takes no orders about builds.</summary>
    public bool HoldsBuilds { get; init; }

    /// <summary>How long, while it runs, a client may find no CAP before it stops trying often. Null: for ever.</summary>
    public TimeSpan? LeaveAfter { get; init; }

    public Content.ContentSettings Content { get; init; } = new();

    /// <summary>When programs begin by themselves.</summary>
    public DailyHours Window { get; init; } = DailyHours.Any;

    /// <summary>Between the end of an offer and the removal of what it did.</summary>
    public TimeSpan RemovalPause { get; init; } = TimeSpan.FromHours(1);

    public static ClientSettings Default { get; } = new();

    /// <param name="ignored">Takes one line for each that was left alone, in the order of the policy.</param>
    public static ClientSettings Of(Policy? policy, List<string>? ignored = null)
    {
        var settings = Default;
        foreach (var setting in policy?.Settings ?? [])
        {
            if (SettingDefinition.Find(setting.Name) is not { } definition)
                ignored?.Add($"{setting.Name} (of {setting.From}) is no setting that this program knows");
            else if (!definition.Holds(setting.Value))
                ignored?.Add($"{setting.Name} (of {setting.From}) has a value out of its range, which is {definition.Range}");
            else
                settings = settings.With(setting.Name, setting.Value);
        }
        return settings;
    }

    private ClientSettings With(string name, string value) => name switch
    {
        SettingDefinition.Cycle => this with { Cycle = Seconds(value) },
        SettingDefinition.Heartbeat => this with { Heartbeat = Seconds(value) },
        SettingDefinition.Inventory => this with { Inventory = Seconds(value) },
        SettingDefinition.Poll => this with { Poll = Seconds(value) },
        SettingDefinition.SpoolSize => this with { SpoolBytes = Number(value) },
        SettingDefinition.LogLevel => this with { LogLevel = Enum.Parse<LogLevel>(value, ignoreCase: true) },
        SettingDefinition.Builds => this with { HoldsBuilds = value == SettingDefinition.HoldBuilds },
        SettingDefinition.LeaveAfter => this with { LeaveAfter = Seconds(value) },
        SettingDefinition.CacheSize => this with { Content = Content with { CacheBytes = Number(value) } },
        SettingDefinition.ContentRate => this with { Content = Content with { BytesPerSecond = Number(value) } },
        SettingDefinition.ContentSlowLink => this with { Content = Content with { SlowBelowBytesPerSecond = Number(value) } },
        SettingDefinition.ContentHours when DailyHours.TryParse(value, out var hours) => this with { Content = Content with { Hours = hours } },
        SettingDefinition.MaintenanceWindow when DailyHours.TryParse(value, out var hours) => this with { Window = hours },
        SettingDefinition.RemovalPause => this with { RemovalPause = Seconds(value) ?? TimeSpan.Zero },
        _ => this,
    };

    private static long Number(string value) => long.Parse(value, CultureInfo.InvariantCulture);

    /// <summary>Null for 0: not at all.</summary>
    private static TimeSpan? Seconds(string value) => Number(value) is > 0 and var seconds ? TimeSpan.FromSeconds(seconds) : null;
}
