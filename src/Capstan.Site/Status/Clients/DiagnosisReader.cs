using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Publish.Settings;
using Capstan.Site.Store;

namespace Capstan.Site.Status.Clients;

/// <summary>Puts together what the site knows about how one client does.</summary>
internal sealed class DiagnosisReader(DeviceStore devices, ClientHealthReader health, ClientHealthStore files, ConditionStore conditions, SettingAdministration settings, ReportStore reports)
{
    private const int MaxRefused = 20;

    /// <param name="deviceId">Of a device that is there.</param>
    public async Task<ClientDiagnosis> ReadAsync(string deviceId, CancellationToken cancellationToken)
    {
        var (summary, _) = (await devices.DetailAsync(deviceId, cancellationToken))!.Value;
        var judged = (await health.ReadAsync(deviceId, cancellationToken)).Single();
        var row = judged.Row;
        var said = await conditions.ListAsync(row.Number, DateTimeOffset.UnixEpoch, cancellationToken);
        var waiting = await files.WaitingAsync(deviceId, cancellationToken) is [var held, ..] ? held : null;
        var set = await settings.OfAsync(deviceId, row.Number, cancellationToken);
        var report = await reports.FindAsync(row.Number, cancellationToken);
        return new ClientDiagnosis(summary,
            [.. judged.Causes.Select(cause => new ClientCauseRow(cause.Code, cause.Severity, cause.Text, cause.NextStep))],
            [.. said.Select(message => new ClientMessageRow(message.Code, message.Severity, message.Component, message.Text, Times.At(message.ReceivedAt), (int)message.RepeatCount))],
            await files.QuarantineAsync(deviceId, MaxRefused, cancellationToken), (int)(waiting?.Count ?? 0), waiting is null ? null : Times.At(waiting.At), Times.At(row.HeartbeatAt),
            Times.At(row.PolicySignedAt), row.PolicySignedVersion, set, [.. Orders(row, report?.Report.Order)], report?.Report, report?.At, RunThere(judged.Causes));
    }

    /// <summary>What helps at the machine itself. Pure.</summary>
    public static IReadOnlyList<string> RunThere(IReadOnlyList<ClientCause> causes)
    {
        var commands = new List<string> { "capstan-client status" };
        if (causes.Any(cause => cause.Code is "silent" or "never_reported"))
            commands.Add("systemctl status capstan-client");
        if (causes.Any(cause => cause.Code is "clock_wrong" or "policy_expired"))
            commands.Add("timedatectl");
        if (causes.Any(cause => cause.Code is "capacity" or "cap_unreachable" or "silent" or "never_reported"))
            commands.Add("capstan-client connections");
        commands.Add("capstan-client logs");
        commands.Add("capstan-client run-now");
        return commands;
    }

    private static IEnumerable<ClientOrderRow> Orders(HealthRow row, long? answered)
    {
        var told = row.PolicyVersion >= row.PolicySignedVersion ? "told" : "ordered";
        if (row.ResyncOrder is { } resync)
            yield return new("resync", At(resync), told);
        if (row.RekeyOrder is { } rekey)
            yield return new("rekey", At(rekey), row.RekeyedAt >= rekey * 1000 ? "answered" : told);
        if (row.DiagnoseOrder is { } diagnose)
            yield return new("diagnose", At(diagnose), answered >= diagnose ? "answered" : told);
    }

    private static DateTimeOffset At(long seconds) => Times.At(Math.Min(seconds, DateTimeOffset.MaxValue.ToUnixTimeSeconds()) * 1000);
}
