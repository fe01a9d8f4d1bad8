using System.Data.Common;
using System.Net;
using System.Text;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Collections;

/// <summary>Keeps what queries ask of devices in step with what devices have told: folded texts, figures of the inventory, addresses, and the forms of package names and versions.</summary>
internal static class DeviceFacts
{
    /// <summary>Unambiguous, whatever is in the values: each with its length.</summary>
    private const string Source = """
        length(d.host_name) || ':' || d.host_name || length(coalesce(d.operating_system, '')) || ':' || coalesce(d.operating_system, '') || length(coalesce(d.model, '')) || ':' || coalesce(d.model, '')
        || length(coalesce(d.platform, '')) || ':' || coalesce(d.platform, '') || length(coalesce(d.client_version, '')) || ':' || coalesce(d.client_version, '') || coalesce(d.token_label, '')
        """;

    /// <summary>Most devices that one transaction brings up to date: others write, too.</summary>
    public const int Page = 500;

    private const string Stale = $"""
        from device d
        left join hardware h on h.device_number = d.number
        left join device_fact f on f.device_number = d.number
        where d.state = 'approved' and (f.device_number is null or f.hardware_at is distinct from h.received_at or f.addresses <> d.addresses or f.source <> {Source})
        """;

    /// <summary>Whether anything is not up to date.</summary>
    public static async Task<bool> AreStaleAsync(DbConnection connection) =>
        await connection.ExecuteScalarAsync<long>($"select case when exists (select 1 {Stale}) or exists (select 1 from package where name_key is null) then 1 else 0 end") == 1;

    /// <summary>Brings at most <see cref="Page"/> approved devices up to date. What has not changed is not written.</summary>
    /// <param name="only">Numbers of devices, at most as many; null for any.</param>
    /// <returns>How many devices had changed, and the numbers of those of which nothing was known.</returns>
    public static async Task<(int Changed, IReadOnlyList<long> New)> RefreshAsync(DbTransaction transaction, IReadOnlyCollection<long>? only = null)
    {
        var connection = transaction.Connection!;
        var stale = (await connection.QueryAsync<StaleDevice>(
            $"""
            select d.number, d.host_name, d.operating_system, d.model, d.platform, d.client_version, d.token_label, d.addresses, h.received_at as hardware_at, f.addresses as known_addresses,
                h.document, f.hardware_at as known_hardware_at, f.device_number as known
            {Stale} {(only is null ? "" : "and d.number in @only")} limit {Page}
            """, new { only }, transaction)).ToList();
        foreach (var device in stale)
            await SaveAsync(transaction, device);
        await PackagesAsync(transaction);
        return (stale.Count, [.. stale.Where(device => device.Known is null).Select(device => device.Number)]);
    }

    /// <summary>Addresses that say where a machine is, as the texts that a query compares.</summary>
    internal static IReadOnlyList<string> AddressKeys(string addresses) =>
        [.. (JsonSerializer.Deserialize(addresses, StoreJson.Default.IReadOnlyListString) ?? [])
            .Select(text => IPAddress.TryParse(text.Split('%')[0], out var address) ? address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address : null).OfType<IPAddress>()
            .Where(BoundaryMatch.SaysWhere)
            .Select(address => Boundary.TryParse(address.ToString(), out var only) ? QuerySql.AddressKey(only.Family, only.First) : null).OfType<string>().Distinct(StringComparer.Ordinal)];

    private static async Task SaveAsync(DbTransaction transaction, StaleDevice device)
    {
        await transaction.RunAsync(
            $"""
            insert into device_fact (device_number, source, addresses, host, os, platform, model, agent, token)
            select @number, {Source}, @addresses, @host, @os, @platform, @model, @agent, @token from device d where d.number = @number
            on conflict (device_number) do update set source = excluded.source, addresses = excluded.addresses, host = excluded.host, os = excluded.os, platform = excluded.platform,
                model = excluded.model, agent = excluded.agent, token = excluded.token
            """,
            ("@number", device.Number), ("@addresses", device.Addresses), ("@host", Folding.Fold(device.HostName)), ("@os", Folding.Fold(device.OperatingSystem)),
            ("@platform", Folding.Fold(device.Platform)), ("@model", Folding.Fold(device.Model)), ("@agent", Folding.Fold(device.ClientVersion)), ("@token", Folding.Fold(device.TokenLabel)));
        if (device.Document is { } document && device.HardwareAt != device.KnownHardwareAt)
        {
            var hardware = Read(document);
            var root = hardware?.FileSystems.FirstOrDefault(system => system.MountPoint is "/" or "C:\\" && system.TotalBytes > 0);
            await transaction.RunAsync(
                """
                update device_fact set hardware_at = @at, manufacturer = @manufacturer, architecture = @architecture, kernel = @kernel, virtualization = @virtualization,
                                       disk_free_bytes = @free, disk_size_bytes = @size, threads = @threads
                where device_number = @number
                """,
                ("@at", device.HardwareAt), ("@manufacturer", Folding.Fold(hardware?.System.Manufacturer)), ("@architecture", Folding.Fold(hardware?.OperatingSystem.Architecture)),
                ("@kernel", Folding.Fold(hardware?.OperatingSystem.Kernel)), ("@virtualization", Folding.Fold(hardware?.System.Virtualization)), ("@free", root?.FreeBytes), ("@size", root?.TotalBytes),
                ("@threads", hardware is null or { Processors.Count: 0 } ? null : hardware.Processors.Sum(processor => (long)processor.Threads)), ("@number", device.Number));
        }
        if (device.KnownAddresses == device.Addresses)
            return;
        await transaction.RunAsync("delete from device_address where device_number = @number", ("@number", device.Number));
        foreach (var key in AddressKeys(device.Addresses))
            await transaction.RunAsync("insert into device_address (device_number, address_key) values (@number, @key)", ("@number", device.Number), ("@key", key));
    }

    /// <summary>Null for what an earlier version of the site stored and this one refuses: then nothing of it is known, and no other device waits for it.</summary>
    private static HardwareInventory? Read(string document)
    {
        try
        {
            return Documents.HardwareInventory.Decode(Encoding.UTF8.GetBytes(document));
        }
        catch (ProtocolException)
        {
            return null;
        }
    }

    private static async Task PackagesAsync(DbTransaction transaction)
    {
        var added = (await transaction.Connection!.QueryAsync<(long Id, string Name, string Version, string Source)>(
            "select package_id, name, version, source from package where name_key is null", null, transaction)).ToList();
        foreach (var (id, name, version, source) in added)
            await transaction.RunAsync("update package set name_key = @name, version_key = @version where package_id = @id", ("@name", Folding.Value(name)), ("@version", VersionKey.Of(source, version)), ("@id", id));
    }

    private sealed record StaleDevice(long Number, string HostName, string? OperatingSystem, string? Model, string? Platform, string? ClientVersion, string? TokenLabel, string Addresses,
        long? HardwareAt, string? KnownAddresses, string? Document, long? KnownHardwareAt, long? Known);
}
