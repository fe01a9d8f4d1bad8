using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Capstan.Client.Identity;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>Answers the order to report what this client knows of itself: bounded, and without anything that is secret.</summary>
internal sealed partial class SelfReport(ClientCore core, ClientParts parts)
{
    /// <summary>How much of the log's end is read.</summary>
    private const int LogBytes = 96 << 10;

    /// <param name="selection">How the CAP of the last contact was chosen; null before the first.</param>
    public void Settle(NalTrace? selection)
    {
        if (core.Lifecycle != ClientLifecycle.Approved || core.Policy?.Diagnose is not { } order || order <= core.State.GetNumber(StateKey.DiagnoseOrder))
            return;
        var report = Make(order, StatusReader.Read(core.Database, core.Directory), selection, Try("the journal of connections", Connections), Try("the log", LogTail), core.Clock.Wall);
        core.Spool.PutAnswer(ItemKind.Diagnosis, Documents.Diagnosis.Encode(report), StateKey.DiagnoseOrder, order);
        ClientLog.DiagnosisMade(core.Log, order);
    }

    /// <summary>Pure.</summary>
    public static Diagnosis Make(long order, ClientStatus status, NalTrace? selection, IReadOnlyList<string> connections, IReadOnlyList<string> log, DateTimeOffset now) => new()
    {
        Order = order,
        MadeAt = now.ToUnixTimeMilliseconds(),
        Facts = [.. Facts(status).Where(fact => !string.IsNullOrEmpty(fact.Value)).Select(fact => new DiagnosisFact(fact.Name, Clean(fact.Value!))).Take(Diagnosis.MaxFacts)],
        Selection = [.. (selection?.Candidates ?? []).Select(candidate => Clean($"{candidate.Path}: {candidate.Outcome} ({candidate.Why}{(candidate.Accounts.Count > 0 ? $"; accounts {string.Join(", ", candidate.Accounts)}" : "")})")).Take(Diagnosis.MaxLines)],
        Connections = [.. connections.Select(Clean).Take(Diagnosis.MaxLines)],
        Log = [.. log.TakeLast(Diagnosis.MaxLines).Select(Clean)],
    };

    private static IEnumerable<(string Name, string? Value)> Facts(ClientStatus status)
    {
        yield return ("state", status.State);
        yield return ("waiting", status.Waiting);
        yield return ("last contact", Time(status.LastContact));
        yield return ("next contact", Time(status.NextContact));
        yield return ("policy version", status.PolicyVersion.ToString(CultureInfo.InvariantCulture));
        yield return ("records made", status.Sequence.ToString(CultureInfo.InvariantCulture));
        yield return ("records acknowledged", status.AcknowledgedSequence.ToString(CultureInfo.InvariantCulture));
        yield return ("waiting in the spool", status.Spooled.ToString(CultureInfo.InvariantCulture));
        yield return ("client version", status.ClientVersion);
        yield return ("build", status.Build);
        yield return ("build on trial", status.BuildOnTrial);
        yield return ("build waits for", status.BuildWaiting);
        foreach (var component in status.Components)
            yield return (component.Name, component.Detail is null ? component.State : $"{component.State}: {component.Detail}");
        foreach (var cap in status.Caps.Take(20))
            yield return ("CAP", cap);
    }

    private IReadOnlyList<string> Connections() =>
        [.. parts.Connections(core.Clock.Wall).Select(connection => $"{connection.Record} {connection.Server} {connection.Account} {connection.State}, opened {Time(connection.Opened)}: {connection.NextStep}")];

    private IReadOnlyList<string> LogTail()
    {
        var path = Path.Combine(core.Directory, Installation.LogFolder, ClientLoggers.FileName);
        if (!File.Exists(path))
            return [];
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var skipped = Math.Max(0, file.Length - LogBytes);
        file.Position = skipped;
        using var reader = new StreamReader(file, Encoding.UTF8);
        var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        // The first is the rest of a line where something was skipped.
        return skipped > 0 ? lines[Math.Min(1, lines.Length)..] : lines;
    }

    private IReadOnlyList<string> Try(string what, Func<IReadOnlyList<string>> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NalException)
        {
            ClientLog.DiagnosisIncomplete(core.Log, what, e.Message);
            return [$"{what} cannot be read: {e.Message}"];
        }
    }

    /// <summary>One line, without control characters, cut, and without what looks like a token: logs hold no secrets, and this is the second lock.</summary>
    private static string Clean(string text)
    {
        var line = Token().Replace(string.Concat(text.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? ' ' : c)).TrimEnd(), "(a token)");
        return line.Length <= Diagnosis.MaxLine ? line : line[..Diagnosis.MaxLine];
    }

    private static string? Time(DateTimeOffset? time) => time?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    [GeneratedRegex(@"capstan[0-9]+\.[A-Za-z0-9_-]{8,}(\.[a-z2-7]*)?", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Token();
}
