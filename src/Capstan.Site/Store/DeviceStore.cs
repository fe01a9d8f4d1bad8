using System.Data.Common;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Load;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>What the loader and the publisher must know of one device.</summary>
internal sealed record DeviceRow(long Number, string DeviceId, string KeyId, string SigningKey, string SealingKey, string State, long? Ordinal,
    long Sequence, string RecordHash, string Resync, long? ApprovedAt, long? CertificateUntil, string InstallNonce, string Speakers, string Newcomers,
    long? ResyncOrder, long? RekeyOrder, long? DiagnoseOrder, string? Origin);

/// <summary>What an administrator may order of one device, by a number in its signed policy that rises.</summary>
internal enum DeviceOrder
{
    /// <summary>Send everything in full.</summary>
    Resync = 1,
    /// <summary>Make a new sealing key.</summary>
    Rekey = 2,
    /// <summary>Report what it knows of itself.</summary>
    Diagnose = 3,
}

/// <summary>A device that asks to become a client.</summary>
internal sealed record NewDevice(DeviceId Id, string KeyId, string SigningKey, string SealingKey, string InstallNonce, string HostName,
    string OperatingSystem, string ClientVersion);

/// <summary>Approved devices that may not know the present connection accounts.</summary>
/// <param name="Named">Some of them.</param>
internal sealed record UnconfirmedDevices(int All, int Unconfirmed, IReadOnlyList<(string HostName, string DeviceId)> Named);

/// <summary>A device whose request was forgotten.</summary>
internal sealed record ForgottenDevice(string DeviceId, string HostName, string Bin)
{
    public string Fingerprint => Protocol.DeviceId.TryParse(DeviceId, out var id) ? id.Fingerprint : DeviceId;
}

/// <summary>States of a device; they appear in the API.</summary>
internal static class DeviceState
{
    public const string Pending = "pending";
    public const string Approved = "approved";
    public const string Retired = "retired";
}

/// <summary>Devices: identity, enrolment, what they last said of themselves, and the head of their record chain.</summary>
internal sealed class DeviceStore(SiteDatabase database)
{
    private const string Columns = "number, device_id, key_id, signing_key, sealing_key, state, ordinal, sequence, record_hash, resync, approved_at, certificate_until, install_nonce, speakers, newcomers, resync_order, rekey_order, diagnose_order, origin";

    public Task<DeviceRow?> ByKeyAsync(string keyId, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<DeviceRow>($"select {Columns} from device where key_id = @keyId", new { keyId }), cancellationToken);

    public static Task<DeviceRow?> FindAsync(DbTransaction transaction, string deviceId) =>
        transaction.FirstAsync<DeviceRow>($"select {Columns} from device where device_id = @deviceId", ("@deviceId", deviceId));

    public static Task<DeviceRow?> FindByKeyAsync(DbTransaction transaction, string keyId) => transaction.Connection!.QuerySingleOrDefaultAsync<DeviceRow>(
        $"select {Columns} from device where key_id = @keyId", new { keyId }, transaction);

    /// <summary>How many wait for an approval, and how many of them are of a bin.</summary>
    public static Task<(int All, int OfBin)> CountPendingAsync(DbTransaction transaction, string bin) => transaction.Connection!.QuerySingleAsync<(int, int)>(
        "select count(*), coalesce(sum(case when bin = @bin then 1 else 0 end), 0) from device where state = 'pending'", new { bin }, transaction);

    /// <summary>Registers a device as pending. Its number is used again only when it was forgotten while pending.</summary>
    public static Task InsertAsync(DbTransaction transaction, NewDevice device, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        """
        insert into device (number, device_id, key_id, signing_key, sealing_key, bin, state, install_nonce, host_name, search_text,
                            operating_system, client_version, requested_at, record_hash)
        select coalesce(max(number), 0) + 1, @DeviceId, @KeyId, @SigningKey, @SealingKey, @Bin, 'pending', @InstallNonce, @HostName, lower(@HostName || ' ' || @DeviceId || ' ' || @OperatingSystem),
               @OperatingSystem, @ClientVersion, @Now, @NoPrevious
        from device
        """,
        new
        {
            DeviceId = device.Id.Value,
            device.KeyId,
            device.SigningKey,
            device.SealingKey,
            device.Id.Bin,
            device.InstallNonce,
            device.HostName,
            device.OperatingSystem,
            device.ClientVersion,
            Now = Times.Of(now),
            NoPrevious = Upload.NoPrevious,
        }, transaction);

    /// <summary>Registers a device as its published policy says, or approves a pending one by it. Its name comes with its next heartbeat.</summary>
    public static async Task RecoverAsync(DbTransaction transaction, Policy policy, DateTimeOffset now)
    {
        var certificate = policy.Certificate;
        if (!Protocol.DeviceId.TryParse(policy.DeviceId, out var id))
            throw new ArgumentException($"{policy.DeviceId} is no device id.", nameof(policy));
        if (await FindAsync(transaction, policy.DeviceId) is null)
            await InsertAsync(transaction, new NewDevice(id, certificate.SigningKey.Thumbprint(), JsonSerializer.Serialize(certificate.SigningKey, StoreJson.Default.Jwk),
                JsonSerializer.Serialize(certificate.SealingKey, StoreJson.Default.Jwk), "", id.Fingerprint, "", ""), now);
        await transaction.Connection!.ExecuteAsync(
            """
            update device set state = 'approved', approved_at = @issued, certificate_until = @until, policy_pending = 1, resync_order = @Resync, newcomers = @newcomers,
                              ordinal = case when exists (select 1 from device where ordinal = @Ordinal) then (select max(ordinal) + 1 from device) else @Ordinal end
            where device_id = @DeviceId
            """,
            new
            {
                policy.DeviceId,
                policy.Resync,
                certificate.Ordinal,
                issued = certificate.IssuedAt * 1000,
                until = certificate.ExpiresAt * 1000,
                newcomers = JsonSerializer.Serialize(policy.NewIdentity ?? [], StoreJson.Default.IReadOnlyListString),
            }, transaction);
    }

    /// <summary>A pending device has sent its request again.</summary>
    public static Task AskedAgainAsync(DbTransaction transaction, long number, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        "update device set requested_at = @now where number = @number", new { number, now = Times.Of(now) }, transaction);

    /// <summary>Forgets devices that asked last before <paramref name="before"/> and were never approved, with all that is kept of them.</summary>
    /// <returns>Which.</returns>
    public static async Task<IReadOnlyList<ForgottenDevice>> PrunePendingAsync(DbTransaction transaction, DateTimeOffset before)
    {
        var parameters = new { before = Times.Of(before) };
        IReadOnlyList<ForgottenDevice> forgotten = [.. await transaction.Connection!.QueryAsync<ForgottenDevice>(
            "select device_id, host_name, bin from device where state = 'pending' and requested_at < @before order by number", parameters, transaction)];
        if (forgotten.Count == 0)
            return forgotten;
        foreach (var table in new[] { "ledger", "status", "device_condition" })
        {
            await transaction.Connection!.ExecuteAsync(
                $"delete from {table} where device_number in (select number from device where state = 'pending' and requested_at < @before)", parameters, transaction);
        }
        await transaction.Connection!.ExecuteAsync("delete from device where state = 'pending' and requested_at < @before", parameters, transaction);
        return forgotten;
    }

    /// <summary>Approves a pending device: gives it its ordinal (from 0, never reused) and its certificate's term. False when it was not pending.</summary>
    public static async Task<bool> ApproveAsync(DbTransaction transaction, string deviceId, string? tokenLabel, DateTimeOffset now, TimeSpan term) =>
        await transaction.Connection!.ExecuteAsync(
            """
            update device set state = 'approved', ordinal = (select coalesce(max(ordinal), -1) + 1 from device), token_label = @tokenLabel,
                              approved_at = @now, certificate_until = @until, policy_pending = 1
            where device_id = @deviceId and state = 'pending'
            """,
            new { deviceId, tokenLabel, now = Times.Of(now), until = Times.Of(now + term) }, transaction) == 1;

    /// <summary>Retires a device, whatever its state. False when it is retired already.</summary>
    public static async Task<bool> RetireAsync(DbTransaction transaction, string deviceId) => await transaction.Connection!.ExecuteAsync(
        "update device set state = 'retired', policy_pending = case when ordinal is null then 0 else 1 end where device_id = @deviceId and state <> 'retired'",
        new { deviceId }, transaction) == 1;

    /// <summary>Gives an order to an approved device, by its next policy. False when it is not approved.</summary>
    public static async Task<bool> OrderAsync(DbTransaction transaction, DeviceOrder order, string deviceId, DateTimeOffset now)
    {
        // Only names from this table reach the statement's text.
        var column = order switch
        {
            DeviceOrder.Resync => "resync_order",
            DeviceOrder.Rekey => "rekey_order",
            DeviceOrder.Diagnose => "diagnose_order",
            _ => throw new ArgumentOutOfRangeException(nameof(order), order, "no order"),
        };
        return await transaction.Connection!.ExecuteAsync(
            $"""
            update device set {column} = case when {column} >= @seconds then {column} + 1 else @seconds end, policy_pending = 1
            where device_id = @deviceId and state = 'approved'
            """,
            new { deviceId, seconds = now.ToUnixTimeSeconds() }, transaction) == 1;
    }

    /// <summary>Takes the sealing key that a device announced; its next policy is sealed to it. False when it is the one that is known.</summary>
    public static async Task<bool> RekeyAsync(DbTransaction transaction, long number, Protocol.Jose.Jwk key, DateTimeOffset now) => await transaction.RunAsync(
        "update device set sealing_key = @key, rekeyed_at = @now, policy_pending = 1 where number = @number and sealing_key <> @key",
        ("@key", JsonSerializer.Serialize(key, StoreJson.Default.Jwk)), ("@now", Times.Of(now)), ("@number", number)) == 1;

    /// <summary>Moves the head of the chain. Wishes for the kinds that this record brought are fulfilled.</summary>
    /// <param name="movedTo">Site to which it goes, by this record; null takes back what an earlier one said.</param>
    public static Task AdvanceAsync(DbTransaction transaction, long number, long sequence, string recordHash, string resync, string? movedTo, DateTimeOffset now) => transaction.RunAsync(
        "update device set sequence = @sequence, record_hash = @recordHash, resync = @resync, last_seen = @now, moved_to = @movedTo, moved_at = @movedAt where number = @number",
        ("@sequence", sequence), ("@recordHash", recordHash), ("@resync", resync), ("@now", Times.Of(now)), ("@movedTo", movedTo), ("@movedAt", movedTo is null ? null : Times.Of(now)), ("@number", number));

    /// <summary>Notes a change of who speaks under an identity, and who is to make another; the policy says the latter.</summary>
    public static Task HeardAsync(DbTransaction transaction, long number, string speakers, string newcomers) => transaction.RunAsync(
        "update device set policy_pending = case when newcomers <> @newcomers then 1 else policy_pending end, speakers = @speakers, newcomers = @newcomers where number = @number",
        ("@speakers", speakers), ("@newcomers", newcomers), ("@number", number));

    /// <summary>The nonce that a device is known by from now on; one that was recovered from its policy has none before its first record.</summary>
    public static Task RegisterNonceAsync(DbTransaction transaction, long number, string nonce) =>
        transaction.RunAsync("update device set install_nonce = @nonce where number = @number", ("@nonce", nonce), ("@number", number));

    /// <summary>Notes whose identity a device had before.</summary>
    public static Task SetOriginAsync(DbTransaction transaction, string deviceId, string origin) =>
        transaction.RunAsync("update device set origin = @origin where device_id = @deviceId", ("@origin", origin), ("@deviceId", deviceId));

    /// <summary>How many devices that had an identity, or one of its copies, were approved as others since a time; whatever became of them.</summary>
    public static Task<int> CountCopiesAsync(DbTransaction transaction, string origin, DateTimeOffset since) => transaction.Connection!.ExecuteScalarAsync<int>(
        "select count(*) from device where origin = @origin and approved_at >= @since", new { origin, since = Times.Of(since) }, transaction);

    /// <summary>Approved devices that had this one's identity before, directly or as copies of copies where that is known.</summary>
    /// <param name="label">As <see cref="ApproveAsync"/> was given it for a copy of this very device.</param>
    public static async Task<IReadOnlyList<(string HostName, string DeviceId)>> CopiesAsync(DbTransaction transaction, string deviceId, string label) =>
        [.. await transaction.Connection!.QueryAsync<(string, string)>(
            "select host_name, device_id from device where state = 'approved' and (origin = @deviceId or origin is not null and token_label = @label) order by number", new { deviceId, label }, transaction)];

    /// <summary>Notes that a device signs for a later epoch than the site's. False when that is no news.</summary>
    public static async Task<bool> SignsForAsync(DbTransaction transaction, string deviceId, long epoch) => await transaction.Connection!.ExecuteAsync(
        "update device set epoch_signed = @epoch where device_id = @deviceId and state = 'approved' and coalesce(epoch_signed, 0) < @epoch", new { deviceId, epoch }, transaction) == 1;

    /// <summary>Approved devices that have signed for a later epoch, the latest first; at most 1,000.</summary>
    public static async Task<IReadOnlyList<EpochClaim>> EpochClaimsAsync(DbConnection connection, DbTransaction? transaction, long epoch) => [.. (await connection.QueryAsync<(string DeviceId, string HostName, string? Origin, long Epoch)>(
        "select device_id, host_name, origin, epoch_signed from device where state = 'approved' and epoch_signed > @epoch order by epoch_signed desc, number limit 1000",
        new { epoch }, transaction)).Select(row => new EpochClaim(row.DeviceId, row.HostName, row.Origin ?? row.DeviceId, row.Epoch))];

    public Task<IReadOnlyList<EpochClaim>> EpochClaimsAsync(long epoch, CancellationToken cancellationToken) =>
        database.ReadAsync(connection => EpochClaimsAsync(connection, null, epoch), cancellationToken);

    /// <summary>The names, which have an index, are written only when they changed: they hardly ever do.</summary>
    /// <param name="madeAt">Unix milliseconds by the device's clock.</param>
    public static async Task ApplyHeartbeatAsync(DbTransaction transaction, long number, Heartbeat heartbeat, string addresses, string components, long madeAt, DateTimeOffset now)
    {
        await transaction.RunAsync(
            """
            update device set client_version = @clientVersion, policy_version = @policyVersion, addresses = @addresses, components = @components, accounts_revision = @accounts,
                              heartbeat_at = @now, heartbeat_made_at = @madeAt, platform = @platform
            where number = @number
            """,
            ("@clientVersion", heartbeat.ClientVersion), ("@policyVersion", heartbeat.PolicyVersion), ("@addresses", addresses), ("@components", components), ("@accounts", heartbeat.AccountsRevision),
            ("@now", Times.Of(now)), ("@madeAt", madeAt), ("@platform", heartbeat.Platform), ("@number", number));
        await transaction.RunAsync(
            """
            update device set host_name = @hostName, operating_system = @operatingSystem,
                              search_text = lower(@hostName || ' ' || device_id || ' ' || @operatingSystem || ' ' || coalesce(model, ''))
            where number = @number and (host_name <> @hostName or operating_system is distinct from @operatingSystem)
            """,
            ("@hostName", heartbeat.HostName), ("@operatingSystem", heartbeat.OperatingSystem), ("@number", number));
    }

    public static Task ApplyHardwareSummaryAsync(DbTransaction transaction, long number, HardwareInventory hardware) => transaction.RunAsync(
        """
        update device set operating_system = @os, model = @model, memory_bytes = @memory,
                          search_text = lower(host_name || ' ' || device_id || ' ' || @os || ' ' || coalesce(@model, ''))
        where number = @number
        """,
        ("@os", hardware.OperatingSystem.Name), ("@model", hardware.System.Model), ("@memory", hardware.Memory.TotalBytes), ("@number", number));

    public static Task SetPackageCountAsync(DbTransaction transaction, long number, int count) =>
        transaction.RunAsync("update device set package_count = @count where number = @number", ("@count", count), ("@number", number));

    /// <summary>Puts certificates that end before <paramref name="before"/> on the list of policies to publish, with a new term.</summary>
    public static Task<int> RenewCertificatesAsync(DbTransaction transaction, DateTimeOffset before, DateTimeOffset until) => transaction.Connection!.ExecuteAsync(
        "update device set certificate_until = @until, policy_pending = 1 where state = 'approved' and certificate_until < @before",
        new { before = Times.Of(before), until = Times.Of(until) }, transaction);

    /// <summary>Puts the policies of all approved devices on the list to publish: what they hold in common has changed.</summary>
    public static Task<int> PoliciesChangedAsync(DbTransaction transaction) =>
        transaction.Connection!.ExecuteAsync("update device set policy_pending = 1 where state = 'approved'", null, transaction);

    public static async Task<IReadOnlyList<DeviceRow>> PolicyPendingAsync(DbTransaction transaction) =>
        [.. await transaction.Connection!.QueryAsync<DeviceRow>($"select {Columns} from device where policy_pending = 1 order by ordinal", null, transaction)];

    public static Task<int> CountApprovedAsync(DbTransaction transaction) =>
        transaction.Connection!.ExecuteScalarAsync<int>("select count(*) from device where state = 'approved'", null, transaction);

    /// <summary>Which approved devices have not said that they have a revision of the connection accounts, or were not heard from since a time (of accounts from before there were revisions, that is all that is known).</summary>
    /// <param name="names">How many to name, those that are silent for the longest time first.</param>
    public static async Task<UnconfirmedDevices> UnconfirmedAsync(DbTransaction transaction, long revision, DateTimeOffset since, int names)
    {
        const string Unconfirmed = "(coalesce(accounts_revision, 0) < @revision or coalesce(last_seen, 0) < @since)";
        var parameters = new { revision, since = Times.Of(since), names };
        var (all, unconfirmed) = await transaction.Connection!.QuerySingleAsync<(long, long)>(
            $"select count(*), coalesce(sum(case when {Unconfirmed} then 1 else 0 end), 0) from device where state = 'approved'", parameters, transaction);
        return new UnconfirmedDevices((int)all, (int)unconfirmed, unconfirmed == 0 ? [] : [.. await transaction.Connection!.QueryAsync<(string, string)>(
            $"select host_name, device_id from device where state = 'approved' and {Unconfirmed} order by coalesce(last_seen, 0), number limit @names", parameters, transaction)]);
    }

    /// <summary>Approved devices by the revision of connection accounts that they have confirmed; 0 for none.</summary>
    public Task<IReadOnlyList<(long Revision, int Devices)>> AccountRevisionsAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<(long, int)>>(
        async connection => [.. await connection.QueryAsync<(long, int)>(
            "select coalesce(accounts_revision, 0), count(*) from device where state = 'approved' group by coalesce(accounts_revision, 0)")], cancellationToken);

    /// <summary>Notes which version is the first that lists the present policies of some devices: who reports an older one does not have them.</summary>
    /// <summary>Times that a clock ahead has left, which is right now: they would hide a client that is silent until then.</summary>
    public static Task ClampTimesAsync(DbTransaction transaction, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        """
        update device set last_seen = case when last_seen > @now then @now else last_seen end, heartbeat_at = case when heartbeat_at > @now then @now else heartbeat_at end,
                          policy_signed_at = case when policy_signed_at > @now then @now else policy_signed_at end
        where last_seen > @now or heartbeat_at > @now or policy_signed_at > @now
        """, new { now = Times.Of(now) }, transaction);

    public static async Task PoliciesSignedAsync(DbTransaction transaction, IReadOnlyCollection<string> deviceIds, long version, DateTimeOffset now)
    {
        foreach (var deviceId in deviceIds)
            await transaction.RunAsync("update device set policy_signed_at = @now, policy_signed_version = @version where device_id = @deviceId",
                ("@now", Times.Of(now)), ("@version", version), ("@deviceId", deviceId));
    }

    public static Task PoliciesPublishedAsync(DbTransaction transaction) =>
        transaction.Connection!.ExecuteAsync("update device set policy_pending = 0 where policy_pending = 1", null, transaction);

    /// <summary>Receipts of one bin, by device id.</summary>
    public static async Task<IReadOnlyList<(string DeviceId, long Sequence, string RecordHash, string Resync)>> ReceiptsAsync(DbTransaction transaction, string bin) =>
        [.. await transaction.Connection!.QueryAsync<(string, long, string, string)>(
            "select device_id, sequence, record_hash, resync from device where bin = @bin order by device_id", new { bin }, transaction)];

    /// <summary>Bins that have devices, and those whose receipts may still show one that was forgotten.</summary>
    public Task<IReadOnlyList<string>> BinsInUseAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<string>>(
        async connection => [.. await connection.QueryAsync<string>("select bin from device union select bin from receipt_bin")], cancellationToken);

    /// <summary>Devices that a person may mean: those whose id begins with <paramref name="prefix"/>, and those named <paramref name="host"/> in any case of letters. At most <paramref name="limit"/>.</summary>
    /// <param name="prefix">Null for no id.</param>
    /// <param name="host">Null for no name. A retired device is meant by its name only where no other one has it.</param>
    public Task<IReadOnlyList<DeviceMatch>> MatchAsync(string? prefix, string? host, int limit, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<DeviceMatch>>(async connection =>
    {
        var matches = new List<DeviceMatch>();
        if (prefix is not null)
            matches.AddRange(await connection.QueryAsync<DeviceMatch>("select device_id, host_name, state from device where substr(device_id, 1, @Length) = @prefix order by device_id limit @limit", new { prefix, prefix.Length, limit }));
        if (host is null)
            return matches;
        var named = (await connection.QueryAsync<DeviceMatch>("select device_id, host_name, state from device where lower(host_name) = lower(@host) order by case state when 'retired' then 1 else 0 end, device_id limit @limit", new { host, limit })).ToList();
        matches.AddRange(named.Where(match => match.State != DeviceState.Retired || named[0].State == DeviceState.Retired));
        return [.. matches.DistinctBy(match => match.DeviceId, StringComparer.Ordinal).Take(limit)];
    }, cancellationToken);

    public Task<(int Clients, int Pending, int Day, int Week)> CountsAsync(DateTimeOffset now, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleAsync<(int, int, int, int)>(
            """
            select coalesce(sum(case when state = 'approved' then 1 else 0 end), 0), coalesce(sum(case when state = 'pending' then 1 else 0 end), 0),
                   coalesce(sum(case when state = 'approved' and last_seen >= @day then 1 else 0 end), 0),
                   coalesce(sum(case when state = 'approved' and last_seen >= @week then 1 else 0 end), 0)
            from device
            """, new { day = Times.Of(now.AddDays(-1)), week = Times.Of(now.AddDays(-7)) }), cancellationToken);

    /// <summary>One page of the list. The order is by the chosen column, then by id, so that a cursor is exact whatever is equal.</summary>
    /// <param name="offset">Rows to leave out.</param>
    public Task<IReadOnlyList<ClientSummary>> ListAsync(string? state, string? filter, string? sort, int offset, int limit, CancellationToken cancellationToken)
    {
        // Only names from this table reach the statement's text.
        var descending = sort?.StartsWith('-') == true ? "desc" : "asc";
        var column = sort?.TrimStart('-') switch
        {
            "id" => "device_id",
            "seen" => "coalesce(last_seen, 0)",
            "state" => "state",
            "os" => "coalesce(operating_system, '')",
            "model" => "coalesce(model, '')",
            "memory" => "coalesce(memory_bytes, 0)",
            "packages" => "coalesce(package_count, 0)",
            _ => "lower(host_name)",
        };
        return database.ReadAsync<IReadOnlyList<ClientSummary>>(async connection => [.. (await connection.QueryAsync<SummaryRow>(
            $"""
            {SummaryRow.Select}
            where (@state is null or state = @state) and (@filter is null or search_text like lower(@filter) escape '!')
            order by {column} {descending}, device_id
            limit @limit offset @offset
            """,
            new { state, filter = LikePattern(filter), limit, offset })).Select(row => row.ToSummary())], cancellationToken);
    }

    public Task<(ClientSummary Summary, SummaryRow Row)?> DetailAsync(string deviceId, CancellationToken cancellationToken) => database.ReadAsync(
        async connection => await connection.QuerySingleOrDefaultAsync<SummaryRow>($"{SummaryRow.Select} where device_id = @deviceId", new { deviceId }) is { } row
            ? (row.ToSummary(), row)
            : default((ClientSummary, SummaryRow)?), cancellationToken);

    private static string? LikePattern(string? filter) => string.IsNullOrWhiteSpace(filter) ? null
        : "%" + filter.Trim().Replace("!", "!!", StringComparison.Ordinal)
            .Replace("%", "!%", StringComparison.Ordinal).Replace("_", "!_", StringComparison.Ordinal) + "%";

    /// <summary>A row of the client list as the database has it.</summary>
    internal sealed record SummaryRow(long Number, string DeviceId, string HostName, string State, string? OperatingSystem, string? Model, long? MemoryBytes,
        long? PackageCount, string? ClientVersion, long? PolicyVersion, long Sequence, long RequestedAt, long? ApprovedAt, long? LastSeen,
        string? TokenLabel, string Addresses, string Components, string? MovedTo, long? MovedAt)
    {
        public const string Select = """
            select number, device_id, host_name, state, operating_system, model, memory_bytes, package_count, client_version, policy_version, sequence,
                   requested_at, approved_at, last_seen, token_label, addresses, components, moved_to, moved_at
            from device
            """;

        public ClientSummary ToSummary() => new(DeviceId, HostName, State, $"{DeviceId[..4]}-{DeviceId[4..8]}", OperatingSystem, Model, MemoryBytes,
            (int?)PackageCount, ClientVersion, PolicyVersion, Sequence, Times.At(RequestedAt), Times.At(ApprovedAt), Times.At(LastSeen))
        {
            MovedTo = MovedTo,
            MovedAt = Times.At(MovedAt),
        };
    }
}

/// <summary>A device that a person may mean.</summary>
internal sealed record DeviceMatch(string DeviceId, string HostName, string State);
