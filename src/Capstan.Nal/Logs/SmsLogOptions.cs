namespace Capstan.Nal.Logs;

/// <summary>The verbosity bits of the old system's <c>NAL\Logging</c>: the sum of what NAL lines are kept.</summary>
[Flags]
public enum NalVerbosity
{
    None = 0,
    Errors = 1,
    Warnings = 2,
    Information = 4,
    /// <summary>Connections opened and closed.</summary>
    Counts = 32,
    /// <summary>Leases granted and returned.</summary>
    EntryExit = 64,
}

/// <summary>How a log file is written. Fixed when the provider is made, but for what is kept: <see cref="Verbosity"/> and <see cref="MinimumLevel"/> count from their change on.</summary>
public sealed class SmsLogOptions
{
    /// <summary>Size at which the file becomes <c>.lo_</c> (the former one is lost). Default 1 MiB, from 4 KiB.</summary>
    public long MaxBytes { get; set; } = 1024 * 1024;

    /// <summary>Lines that may wait for the disk; further ones are dropped and counted. Default 4,096, from 1.</summary>
    public int MaxWaiting { get; set; } = 4_096;

    /// <summary>Which lines of the network abstraction layer are kept. Default errors, warnings and information (7).</summary>
    public NalVerbosity Verbosity { get; set; } = NalVerbosity.Errors | NalVerbosity.Warnings | NalVerbosity.Information;

    /// <summary>Lowest level of all other lines. Default information.</summary>
    public Microsoft.Extensions.Logging.LogLevel MinimumLevel { get; set; } = Microsoft.Extensions.Logging.LogLevel.Information;

    /// <summary>One JSON object per line instead of the form of SMS logs. Default off.</summary>
    public bool Json { get; set; }
}
