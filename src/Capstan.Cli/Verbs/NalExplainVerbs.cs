using Capstan.Cli.Output;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan nal explain</c>: why a path can be used or not.</summary>
internal static class NalExplainVerbs
{
    private static readonly Listing<NalExplainedCandidate> Candidates = new(
        [
            new("CANDIDATE", candidate => candidate.Path),
            new("WHY HERE", candidate => candidate.Why),
            new("ACCOUNTS", candidate => string.Join(", ", candidate.Accounts)),
            new("OUTCOME", candidate => candidate.Outcome),
        ],
        [
            new("path", candidate => candidate.Path), new("why", candidate => candidate.Why), new("accounts", candidate => string.Join(' ', candidate.Accounts)),
            new("outcome", candidate => candidate.Outcome), new("error", candidate => candidate.Error),
        ],
        CliJson.Default, "No candidate.");

    public static Verb Explain(CliHost host)
    {
        var path = Arguments.Path(host);
        var access = new NalAccess();
        var output = Arguments.Output();
        return new Verb("explain", "How a path is resolved: candidates, their order, accounts, and each failure", "capstan nal explain /srv/cap", "capstan nal explain smb://fs1/cap/ -o json")
            .With(path, output).With(access.Options)
            .Does(host, async (parse, cancellationToken) =>
            {
                var requested = parse.GetRequiredValue(path);
                var format = parse.GetValue(output);
                var purpose = await access.PurposeAsync(parse, host, cancellationToken);
                await using var arbiter = NalSession.CreateArbiter(host);
                LeaseResult result;
                try
                {
                    result = await NalSession.AcquireAsync(host, arbiter, requested, purpose, cancellationToken);
                }
                catch (NalException failure) when (failure.Trace is not null)
                {
                    await WriteAsync(host, format, NalExplanation.Of(failure.Trace, failure.Message, nextTry: null));
                    throw;
                }
                if (!result.TryGetLease(out var lease, out var refusal))
                {
                    await WriteAsync(host, format, NalExplanation.Of(refusal.Trace, refusal.Reason, refusal.NextTry));
                    throw NalSession.Refused(refusal);
                }
                await using (lease)
                    await WriteAsync(host, format, NalExplanation.Of(lease.Trace, "usable", nextTry: null));
                return ExitCode.Done;
            });
    }

    private static async Task WriteAsync(CliHost host, OutputFormat format, NalExplanation explanation)
    {
        if (format == OutputFormat.Table)
        {
            await Terminal.WriteFactsAsync(host,
            [
                ("Requested", explanation.Requested), ("Outcome", explanation.Outcome), ("Waited", $"{explanation.WaitedSeconds:0.000} s"),
                ("Next try", explanation.NextTry is null ? null : Display.Utc(explanation.NextTry)),
            ]);
            await host.Out.WriteLineAsync();
        }
        await Candidates.WriteAsync(host, format, explanation.Candidates, explanation);
    }
}
