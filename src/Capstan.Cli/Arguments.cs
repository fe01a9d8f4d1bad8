using System.CommandLine;
using Capstan.Nal.Arbiter.Machine;
using System.CommandLine.Parsing;
using System.Globalization;
using Capstan.Cli.Output;
using Capstan.Nal.Paths;

namespace Capstan.Cli;

/// <summary>Options and arguments that several verbs share, and how their text is read. A text that does not fit is a usage error.</summary>
internal static class Arguments
{
    public static Option<OutputFormat> Output() => new("--output", "-o")
    {
        Description = "table, json or csv (json and csv are stable: docs/cli.md)",
        HelpName = "table|json|csv",
        DefaultValueFactory = _ => OutputFormat.Table,
        CustomParser = result => result.Tokens[0].Value switch
        {
            "table" => OutputFormat.Table,
            "json" => OutputFormat.Json,
            "csv" => OutputFormat.Csv,
            var other => Refuse<OutputFormat>(result, $"'{other}' is not an output format: use table, json or csv."),
        },
    };

    /// <summary>Of every verb: where the machine's connections are counted.</summary>
    public static Option<string?> NalDirectory() => new(NalDirectoryName)
    {
        Description = $"Directory of this machine's slots and journal of connections (default /run/capstan and /var/lib/capstan-nal; also: {NalMachine.DirectoryVariable})",
        HelpName = "DIR",
        Recursive = true,
    };

    public const string NalDirectoryName = "--nal-dir";

    public static Option<int> Limit(int standard) => new("--limit")
    {
        Description = $"At most so many rows, newest first (default {standard})",
        HelpName = "N",
        DefaultValueFactory = _ => standard,
        Validators = { result => AtLeast(result, 1) },
    };

    /// <summary>A number with both its limits; null when it is not given.</summary>
    public static Option<int?> WholeNumber(string name, string description, int least, int most) => new(name)
    {
        Description = description,
        HelpName = "N",
        CustomParser = result => int.TryParse(result.Tokens[0].Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : Refuse<int?>(result, string.Create(CultureInfo.InvariantCulture, $"'{result.Tokens[0].Value}' is no value for {name}: write a whole number from {least} to {most:N0}.")),
    };

    /// <summary>A NAL path in either form, or a plain directory of this machine.</summary>
    public static Argument<NalPath> Path(CliHost host, string name = "PATH", string description = "A NAL path in either form, or a directory or file of this machine") => new(name)
    {
        Description = description,
        CustomParser = result => ReadPath(result, host),
    };

    /// <summary>A whole number of seconds, or one with a unit: <c>30s 5m 2h 7d</c>.</summary>
    public static Option<TimeSpan> Duration(string name, string description, string help, TimeSpan standard, TimeSpan longest) => new(name)
    {
        Description = description,
        HelpName = help,
        DefaultValueFactory = _ => standard,
        CustomParser = result => TryReadDuration(result.Tokens[0].Value, out var duration) && duration <= longest
            ? duration
            : Refuse<TimeSpan>(result, $"'{result.Tokens[0].Value}' is not a time up to {longest.TotalDays:0.##} days: write 30s, 5m, 2h or 7d."),
    };

    public static bool TryReadDuration(string text, out TimeSpan duration)
    {
        duration = default;
        if (text.Length == 0)
            return false;
        var unit = text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86_400, _ => 0 };
        var digits = unit == 0 ? text : text[..^1];
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > 3_650L * 86_400)
            return false;
        duration = TimeSpan.FromSeconds(number * Math.Max(unit, 1));
        return true;
    }

    public static void AtLeast(OptionResult result, int least)
    {
        if (result.Errors.Any())
            return;
        if (result.GetValueOrDefault<int>() < least)
            result.AddError($"{result.Option.Name} must be at least {least}.");
    }

    private static NalPath? ReadPath(ArgumentResult result, CliHost host)
    {
        var text = result.Tokens[0].Value;
        if (LooksTyped(text))
        {
            return NalPath.TryParse(text, out var typed, out var error)
                ? typed
                : Refuse<NalPath>(result, $"'{text}' is not a NAL path: column {error.Column}: expected {error.Expected}. A directory of this machine needs no prefix.");
        }
        try
        {
            return NalPath.FromDirectory(host.FullPath(text));
        }
        catch (ArgumentException cause)
        {
            return Refuse<NalPath>(result, cause.Message);
        }
    }

    /// <summary>A provider or scheme of at least two letters (one is a drive) with what follows it in a path, a display qualifier, or a share.</summary>
    private static bool LooksTyped(string text) =>
        text is ['[' or '\\', ..] || (text.IndexOf(':', StringComparison.Ordinal) is var colon and > 1 && text[(colon + 1)..] is ['\\' or '[', ..] or ['/', '/', ..]);

    private static T? Refuse<T>(ArgumentResult result, string message)
    {
        result.AddError(message);
        return default;
    }
}
