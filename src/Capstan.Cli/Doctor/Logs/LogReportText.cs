using Capstan.Cli.Output;
using Capstan.Site.Console;

namespace Capstan.Cli.Doctor.Logs;

/// <summary>Shows what a log means: in words, as JSON, or one row for each finding.</summary>
internal static class LogReportText
{
    private static readonly IReadOnlyList<CsvColumn<LogFinding>> Columns =
    [
        new("id", finding => finding.Id), new("product", finding => finding.Product), new("kind", finding => finding.Kind), new("lines", finding => finding.Lines),
        new("firstTime", finding => finding.FirstTime), new("lastTime", finding => finding.LastTime), new("firstLine", finding => finding.FirstLine),
        new("about", finding => string.Join(' ', finding.About)), new("summary", finding => finding.Summary), new("cause", finding => finding.Cause),
        new("nextStep", finding => finding.NextStep), new("sources", finding => string.Join(' ', finding.Sources)), new("example", finding => finding.Example),
    ];

    public static async Task WriteAsync(CliHost host, OutputFormat format, LogReport report)
    {
        switch (format)
        {
            case OutputFormat.Json:
                await Json.WriteAsync(host, report, typeof(LogReport), CliJson.Default);
                break;
            case OutputFormat.Csv:
                await new Listing<LogFinding>([], Columns, CliJson.Default, "").WriteAsync(host, format, report.Findings);
                break;
            default:
                await WriteTextAsync(host, report);
                break;
        }
    }

    private static async Task WriteTextAsync(CliHost host, LogReport report)
    {
        foreach (var finding in report.Findings.Where(finding => !finding.IsNormal))
            await WriteFindingAsync(host, finding);
        if (report.Findings.Where(finding => finding.IsNormal).Sum(finding => finding.Lines) is > 0 and var normal)
            await host.Out.WriteLineAsync($"Normal, although it looks like failures: {Display.Plural(normal, "line")}.");
        if (report.Unknown.Lines > 0)
        {
            await host.Out.WriteLineAsync($"Not known here ({Display.Plural(report.Unknown.Lines, "line")} that look like failures):");
            await Terminal.WriteFactsAsync(host, report.Unknown.Samples.Select(sample => ($"  {Display.Count(sample.Lines)} x", (string?)$"line {sample.FirstLine}: {sample.Example}")));
        }
        if (report.Unjudged > 0)
            await host.Out.WriteLineAsync($"Not judged, because this machine was too busy: {Display.Plural(report.Unjudged, "line")}. Run this again.");
        var nothing = report.Findings.Count == 0 && report.Unknown.Lines == 0 ? " Nothing in it looks like a failure." : "";
        await host.Out.WriteLineAsync($"{VisibleText.Of(report.Source, 200)}: {Display.Plural(report.Lines, "line")} read.{nothing}");
    }

    private static async Task WriteFindingAsync(CliHost host, LogFinding finding)
    {
        var when = finding.FirstTime is null ? $"line {Display.Count(finding.FirstLine)}"
            : finding.FirstTime == finding.LastTime ? finding.FirstTime
            : $"{finding.FirstTime} to {finding.LastTime}";
        await host.Out.WriteLineAsync($"{finding.Id}: {finding.Summary} ({Display.Plural(finding.Lines, "line")}, {when})");
        // What another finding of this log explains needs no words of its own.
        await Terminal.WriteFactsAsync(host, finding.FollowsFrom is { } causes
            ? [("  seen", finding.Example), ("  because", $"see {string.Join(", ", causes)}")]
            :
            [
                ("  seen", finding.Example),
                ("  about", finding.About.Count == 0 ? null : string.Join(", ", finding.About) + (finding.AboutMore ? " and more" : "")),
                ("  cause", finding.Cause),
                ("  do", finding.NextStep),
                ("  source", string.Join(", ", finding.Sources)),
            ]);
        await host.Out.WriteLineAsync();
    }
}
