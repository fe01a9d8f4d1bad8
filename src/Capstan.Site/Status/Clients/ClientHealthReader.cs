using System.Globalization;
using System.Text.Json;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Site.Status.Clients;

/// <summary>One client with all its causes, the worst first.</summary>
internal sealed record JudgedClient(HealthRow Row, IReadOnlyList<ClientCause> Causes, ConditionRow? LastError);

/// <summary>Reads the facts that <see cref="ClientHealthRules"/> judges.</summary>
internal sealed class ClientHealthReader(ClientHealthStore devices, ConditionStore conditions, BuildStore builds, TimeProvider time)
{
    /// <summary>How long what was said may be repeated before it is forgotten here: twice the longest cycle.</summary>
    public static readonly TimeSpan Remembered = TimeSpan.FromDays(62);

    /// <summary>Causes that are named beside the first.</summary>
    private const int MaxOthers = 10;

    /// <summary>Those that are not well, the worst first, then who reported longest ago.</summary>
    public static IReadOnlyList<JudgedClient> Unwell(IEnumerable<JudgedClient> all) =>
        [.. all.Where(client => client.Causes.Count > 0)
            .OrderBy(client => ClientHealthRules.Rank(client.Causes[0].Severity))
            .ThenBy(client => client.Row.LastSeen ?? 0)
            .ThenBy(client => client.Row.DeviceId, StringComparer.Ordinal)];

    /// <param name="deviceId">Null for all that are not retired.</param>
    public async Task<IReadOnlyList<JudgedClient>> ReadAsync(string? deviceId, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var rows = await devices.DevicesAsync(deviceId, cancellationToken);
        var refused = (await devices.RefusedAsync(deviceId, cancellationToken)).ToDictionary(files => files.DeviceId, StringComparer.Ordinal);
        var waiting = (await devices.WaitingAsync(deviceId, cancellationToken)).ToDictionary(files => files.DeviceId, StringComparer.Ordinal);
        var said = (await conditions.ListAsync(deviceId is null || rows.Count == 0 ? null : rows[0].Number, now - Remembered, cancellationToken)).ToLookup(condition => condition.DeviceNumber);
        var fleet = new FleetFacts(now, [.. (await builds.OrdersAsync(cancellationToken)).Where(order => order.Version != ClientBuild.OfPackage && order.EndedAt is null)
            .Select(order => new OrderedBuild(order.Platform, order.Version, Times.At(order.OrderedAt), Times.At(order.OrderedAt).AddSeconds(order.SpreadSeconds)))]);
        return [.. rows.Select(row => new JudgedClient(row, ClientHealthRules.Judge(Facts(row), fleet), said[row.Number].FirstOrDefault(condition => condition.Severity == ClientHealthRules.Error)))];

        ClientHealthFacts Facts(HealthRow row) => new()
        {
            State = row.State,
            RequestedAt = Times.At(row.RequestedAt),
            ApprovedAt = Times.At(row.ApprovedAt),
            LastSeen = Times.At(row.LastSeen),
            MovedTo = row.MovedTo,
            MovedAt = Times.At(row.MovedAt),
            HeartbeatAt = Times.At(row.HeartbeatAt),
            HeartbeatMadeAt = Times.At(row.HeartbeatMadeAt),
            PolicyVersion = row.PolicyVersion,
            PolicySignedAt = Times.At(row.PolicySignedAt),
            PolicySignedVersion = row.PolicySignedVersion,
            ClientVersion = row.ClientVersion,
            Platform = row.Platform,
            HoldsBuilds = Value(row, SettingDefinition.Builds) == SettingDefinition.HoldBuilds,
            Components = row.Components == "[]" ? [] : JsonSerializer.Deserialize(row.Components, StoreJson.Default.IReadOnlyListComponentState) ?? [],
            Conditions = [.. said[row.Number]],
            Refused = refused.GetValueOrDefault(row.DeviceId) is { } files ? new RefusedUploads((int)files.Count, files.Reason, Times.At(files.At)) : null,
            WaitingSince = waiting.GetValueOrDefault(row.DeviceId) is { } held ? Times.At(held.At) : null,
            Cycle = Interval(row, SettingDefinition.Cycle),
            Heartbeat = Interval(row, SettingDefinition.Heartbeat),
            Copies = row.Newcomers == "[]" ? 0 : JsonSerializer.Deserialize(row.Newcomers, StoreJson.Default.IReadOnlyListString)?.Count ?? 0,
        };
    }

    /// <summary>As its signed policy sets it, or the default.</summary>
    private static TimeSpan Interval(HealthRow row, string name) => TimeSpan.FromSeconds(long.Parse(Value(row, name), CultureInfo.InvariantCulture));

    private static string Value(HealthRow row, string name) =>
        PolicyContents.ReadSettings(row.Settings).FirstOrDefault(setting => setting.Name == name)?.Value ?? SettingDefinition.Find(name)!.Default;

    public static ClientHealthRow ToRow(JudgedClient client) => new(client.Row.DeviceId, client.Row.HostName, $"{client.Row.DeviceId[..4]}-{client.Row.DeviceId[4..8]}", client.Row.State,
        client.Causes[0].Severity, client.Causes[0].Code, client.Causes[0].Text, client.Causes[0].NextStep, [.. client.Causes.Skip(1).Take(MaxOthers).Select(cause => cause.Code)],
        Times.At(client.Row.LastSeen), Times.At(client.Row.HeartbeatAt), client.Row.PolicyVersion, client.LastError?.Text, client.LastError is { } error ? Times.At(error.ReceivedAt) : null);
}
