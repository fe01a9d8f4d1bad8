using System.Globalization;
using System.Text.Json;
using Capstan.Cli.Verbs;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Site.Api;

namespace Capstan.Cli.Doctor;

/// <summary>What the running site and its CAPs tell.</summary>
internal static class SiteChecks
{
    private const int MaxTimestampBytes = 64 * 1024;

    public static async IAsyncEnumerable<DoctorLine> RunAsync(CliHost host, ApiClient api, Uri address,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var overview = await api.OverviewAsync(cancellationToken);
        yield return DoctorLine.Ok("site", $"{overview.SiteCode} answers on {address.GetLeftPart(UriPartial.Authority)}: {overview.Clients} clients, {overview.Pending} waiting for approval");
        // One cause, one line: how near a CAP is to its limit stands below, with the reading.
        var told = overview.Caps.Where(cap => ServerChecks.Licensing(cap, host.Command) is not null).Select(cap => cap.Load?.Text).ToHashSet(StringComparer.Ordinal);
        foreach (var condition in overview.Conditions.Where(condition => !told.Contains(condition.Text)))
        {
            yield return new DoctorLine(condition.Code, StateOf(condition.Severity), condition.Text, condition.NextStep);
        }
        if (overview.Caps.Count == 0)
            yield return DoctorLine.Warning("client access points", "none", $"{host.Command} cap add PATH");
        await foreach (var line in ServerChecks.RunAsync(host, overview.Caps, cancellationToken))
            yield return line;
        var usable = 0;
        foreach (var cap in overview.Caps)
        {
            var check = await api.CheckCapAsync(cap.Path, cancellationToken);
            usable += check.Ok ? 1 : 0;
            await foreach (var line in CapAsync(host, cap, check, cancellationToken))
                yield return line;
            if (ServerChecks.Licensing(cap, host.Command) is { } licensing)
                yield return licensing;
        }
        if (Judgement.Selection(usable, overview.Caps.Count) is { } selection)
            yield return selection;
        yield return Judgement.Quarantine(overview.Quarantined, host.Command);
    }

    private static async IAsyncEnumerable<DoctorLine> CapAsync(CliHost host, CapRow cap, CapCheck check,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (cap.LastError is { } error)
            yield return DoctorLine.Failed("cap", $"{cap.Path}: {error}", "The message names the step; the site tries again by itself.");
        var wrong = check.Lines.Where(line => line.State is DoctorLine.StateWarning or DoctorLine.StateFailed).ToList();
        if (check.Ok && wrong.Count == 0)
            yield return DoctorLine.Ok("cap", $"{cap.Path}: {check.Lines.Count} checks passed");
        foreach (var line in wrong)
            yield return new DoctorLine("cap", line.State, $"{cap.Path}: {line.Name}: {line.Detail}", $"{host.Command} cap check '{cap.Path}' tries it again.");
        // On a share only the site has an account; it has verified the signatures in its check, and says there what is wrong with them.
        if (NalPath.Parse(cap.Path).Server is null)
            yield return await TimestampAsync(host, cap.Path, cancellationToken);
    }

    private static string StateOf(string severity) => severity switch
    {
        "error" => DoctorLine.StateFailed,
        "information" => DoctorLine.StateNote,
        _ => DoctorLine.StateWarning,
    };

    private static async Task<DoctorLine> TimestampAsync(CliHost host, string cap, CancellationToken cancellationToken)
    {
        try
        {
            await using var arbiter = NalSession.CreateArbiter(host);
            var result = await arbiter.AcquireAsync(NalPath.Parse(cap), new LeasePurpose("doctor"), cancellationToken);
            if (!result.TryGetLease(out var lease, out var refusal))
                return DoctorLine.Warning("signatures", $"{cap}: {refusal.Reason}", "Run this again later.");
            await using (lease)
            {
                var bytes = await lease.Store.ReadAllAsync(StorePath.Parse($"{Layout.Metadata}/timestamp.json"), MaxTimestampBytes, cancellationToken);
                return bytes is null
                    ? DoctorLine.Failed("signatures", $"{cap}: metadata/timestamp.json is not there", $"{host.Command} cap publish")
                    : Judgement.TimestampExpiry(cap, Expiry(bytes), host.Time.GetUtcNow(), host.Command);
            }
        }
        catch (Exception cause) when (cause is NalException or JsonException or FormatException or KeyNotFoundException or InvalidOperationException)
        {
            return DoctorLine.Failed("signatures", $"{cap}: {cause.Message}", $"{host.Command} cap publish, with the site running.");
        }
    }

    /// <summary>Only for showing: nothing is decided by a document that was not verified.</summary>
    private static DateTimeOffset Expiry(byte[] timestamp)
    {
        using var document = JsonDocument.Parse(timestamp, new JsonDocumentOptions { MaxDepth = 16 });
        var expires = document.RootElement.GetProperty("signed").GetProperty("expires").GetString() ?? throw new FormatException("timestamp.json has no expiry.");
        return DateTimeOffset.Parse(expires, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
    }
}
