using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Capstan.Client;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Fleet;

/// <summary>The executable <c>capstan-fleet</c>: reads the command line, runs one fleet, prints what became of it.</summary>
internal static class FleetProgram
{
    private const int MostUnfinished = 10;

    /// <summary>Runs one fleet. An error is one line on the error stream. When it is stopped, it gives everything back and reports what was done.</summary>
    public static async Task<int> RunAsync(string[] args, TextReader input, TextWriter output, TextWriter errors, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            var arguments = new FleetArguments();
            var command = arguments.Command((parsed, stop) => RunAsync(parsed, arguments, input, output, errors, time, stop));
            var parsed = command.Parse(args);
            if (parsed.Errors.Count > 0)
                throw new FleetException($"{parsed.Errors[0].Message} (capstan-fleet --help shows the options)", ExitCode.Usage);
            return await parsed.InvokeAsync(new InvocationConfiguration { Output = output, Error = errors, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, cancellationToken);
        }
        catch (Exception e) when (Explain(e) is { } explained)
        {
            await errors.WriteLineAsync($"capstan-fleet: {explained.Message}");
            return explained.ExitCode;
        }
    }

    private static (int ExitCode, string Message)? Explain(Exception failure) => failure switch
    {
        FleetException known => (known.ExitCode, known.Message),
        ClientException { Code: "bad_token" or "bad_cap" } => (ExitCode.Usage, failure.Message),
        ClientException { Code: "access_denied" } or UnauthorizedAccessException => (ExitCode.AccessDenied, failure.Message),
        FileNotFoundException or DirectoryNotFoundException => (ExitCode.NotFound, failure.Message),
        ClientException or IOException => (ExitCode.Failed, failure.Message),
        OperationCanceledException => (ExitCode.Failed, "stopped before it began"),
        _ => null,
    };

    private static async Task<int> RunAsync(ParseResult parsed, FleetArguments arguments, TextReader input, TextWriter output, TextWriter errors, TimeProvider time, CancellationToken cancellationToken)
    {
        var (options, plan) = await arguments.ReadAsync(parsed, input, cancellationToken);
        OpenFiles.Require(options.Clients);
        var limit = arguments.TimeoutOf(parsed);
        using var late = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        var fleet = new ClientFleet(options, () => StorageProviders.All(time), time);
        await using (fleet)
        {
            await errors.WriteLineAsync($"capstan-fleet: enrolling {options.Clients} clients at {options.CapText} (in {fleet.DirectoryPath}) …");
            var enrolment = await fleet.EnrolAsync(either.Token);
            FleetResult? result = null;
            if (enrolment.IsComplete)
            {
                await errors.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"capstan-fleet: enrolled in {enrolment.Makespan.TotalSeconds:0.0} s; {plan.Cycles} of each: start {plan.Start}, hold {plan.Hold} s …"));
                result = await fleet.RunAsync(plan, either.Token);
            }
            var last = result ?? enrolment;
            var unfinished = await fleet.UnfinishedAsync(last, MostUnfinished, CancellationToken.None);
            var report = FleetReport.Of(options, plan, enrolment, result, [.. unfinished.Select(client => new UnfinishedClient(client.Client, client.Cause))]);
            await output.WriteLineAsync(arguments.IsJson(parsed) ? JsonSerializer.Serialize(report, FleetJson.Default.FleetReport) : report.ToTable());
            if (last.IsComplete)
                return ExitCode.Done;
            await errors.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"capstan-fleet: {last.Clients - last.Completed} of {last.Clients} clients did not finish {(result is null ? "their enrolment" : "their cycles")}: ")
                + (cancellationToken.IsCancellationRequested ? "stopped" : string.Create(CultureInfo.InvariantCulture, $"the run may take {limit.TotalSeconds:0} s (--timeout); {unfinished[0].Cause}")));
            return cancellationToken.IsCancellationRequested ? ExitCode.Failed : unfinished.Select(client => ExitCode.Of(client.Error)).Max();
        }
    }
}
