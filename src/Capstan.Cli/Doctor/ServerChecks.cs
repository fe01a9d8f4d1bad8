using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Doctor;

/// <summary>The servers of the CAPs: name, port, dialect, clock, and how much of their limit is used.</summary>
internal static class ServerChecks
{
    /// <summary>What Kerberos allows by default.</summary>
    private static readonly TimeSpan ClockLimit = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan ClockIsFair = TimeSpan.FromSeconds(30);

    /// <summary>Each server once, however many CAPs it has.</summary>
    public static async IAsyncEnumerable<DoctorLine> RunAsync(CliHost host, IReadOnlyList<CapRow> caps,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var server in caps.Select(cap => NalPath.TryParse(cap.Path, out var path, out _) ? path : null).OfType<NalPath>()
            .Where(path => path.Provider == "MSWNET" && path.Server is not null).DistinctBy(path => path.Server, StringComparer.Ordinal))
        {
            foreach (var line in await AskAsync(host, server, cancellationToken))
                yield return line;
        }
    }

    /// <summary>What clients used of a licensed server; null for a CAP that counts nobody.</summary>
    public static DoctorLine? Licensing(CapRow cap, string command)
    {
        if (cap.Load is not { } load || (cap.Licensing is null && !IsOnServer(cap)))
            return null;
        if (load.Limit is not { } limit)
            return load is { Text: { } text, NextStep: { } step } ? DoctorLine.Warning("licensing", text, step) : new DoctorLine("licensing", DoctorLine.StateNote, $"{cap.Path}: no limit is stated; clients used {load.PeakConnections} at one time, {load.Refused} were refused in 3 days",
                $"If its server has one: {command} cap add '{cap.Path}' --licensing per-server:N --headroom N.");
        var reading = $"{cap.Path}: {cap.Licensing}, {cap.Headroom} of {limit} kept for others; at one time {load.PeakConnections} used (estimated, 7 days), {load.Refused} refused in 3 days, {Display.Plural(load.Devices90Days, "device")} in 90 days";
        return load.Level == "ok"
            ? DoctorLine.Ok("licensing", reading)
            : DoctorLine.Warning("licensing", load.Text is null ? reading : $"{reading}: {load.Text.TrimEnd('.')}", load.NextStep ?? $"{command} cap list shows how near each is.");
    }

    internal static IEnumerable<DoctorLine> Judge(string server, ServerGreeting greeting)
    {
        yield return DoctorLine.Ok("server", $"{server}{(greeting.Address is { } address ? $" ({address})" : "")} answers after {greeting.Elapsed.TotalMilliseconds:F0} ms");
        yield return greeting.Encryption is { } cipher
            ? DoctorLine.Ok("dialect", $"{server}: SMB {greeting.Dialect}, signed by {greeting.Signing}, encrypted by {cipher}")
            : new DoctorLine("dialect", DoctorLine.StateNote, $"{server}: SMB {greeting.Dialect}, signed by {greeting.Signing}, not encrypted: what lies there can be read on the way (nothing of it is secret but uploads, which are sealed)",
                "SMB 3 with encryption, where the server can.");
        if (greeting.Ahead is { } ahead)
            yield return Clock(server, ahead);
    }

    private static DoctorLine Clock(string server, TimeSpan ahead)
    {
        var reading = $"{server} is {ahead.Duration().TotalSeconds:F0} s {(ahead < TimeSpan.Zero ? "behind" : "ahead of")} this machine";
        return ahead.Duration() switch
        {
            var apart when apart > ClockLimit => DoctorLine.Warning("server clock", $"{reading}; Kerberos allows {ClockLimit.TotalMinutes:F0} min", "Set both clocks, then look at their time service."),
            var apart when apart > ClockIsFair => new DoctorLine("server clock", DoctorLine.StateNote, $"{reading}; Kerberos allows {ClockLimit.TotalMinutes:F0} min", "Look at the time service of both."),
            _ => DoctorLine.Ok("server clock", reading),
        };
    }

    private static bool IsOnServer(CapRow cap) => NalPath.TryParse(cap.Path, out var path, out _) && path.Server is not null;

    private static async Task<IReadOnlyList<DoctorLine>> AskAsync(CliHost host, NalPath path, CancellationToken cancellationToken)
    {
        try
        {
            return [.. Judge(path.Server!, await host.Greet(path, host.Time, cancellationToken))];
        }
        catch (NalException full) when (full.Error == NalError.ServerFull)
        {
            return [DoctorLine.Warning("server", full.Message, $"{host.Command} cap sessions '{path}' shows who holds its connections.")];
        }
        catch (NalException cause)
        {
            return [DoctorLine.Failed("server", cause.Message, $"{host.Command} nal explain '{path}' tries again and shows each step.")];
        }
    }
}
