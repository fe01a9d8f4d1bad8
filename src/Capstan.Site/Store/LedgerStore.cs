using System.Data.Common;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>Which record was taken at which place of a device's chain: what makes every upload count once.</summary>
internal static class LedgerStore
{
    /// <summary>The place was taken and the record's data stored.</summary>
    public const string Applied = "applied";
    /// <summary>The place was taken; the record itself is in quarantine.</summary>
    public const string Refused = "refused";

    /// <summary>Places kept per device, the newest: a copy of an older record goes to quarantine as replayed instead of being deleted.</summary>
    public const int MaxPlaces = 1_000;
    private const int PruneEvery = 64;

    public static Task<(string RecordHash, string Outcome)?> FindAsync(DbTransaction transaction, long number, long sequence) =>
        transaction.Connection!.QuerySingleOrDefaultAsync<(string, string)?>(
            "select record_hash, outcome from ledger where device_number = @number and sequence = @sequence", new { number, sequence }, transaction);

    /// <summary>Unique by device and sequence: a second row for one place fails the transaction.</summary>
    public static async Task InsertAsync(DbTransaction transaction, long number, long sequence, string recordHash, string outcome, DateTimeOffset now)
    {
        await transaction.RunAsync(
            "insert into ledger (device_number, sequence, record_hash, outcome, applied_at) values (@number, @sequence, @recordHash, @outcome, @now)",
            ("@number", number), ("@sequence", sequence), ("@recordHash", recordHash), ("@outcome", outcome), ("@now", Times.Of(now)));
        // Here, by the key, and not by looking through all devices from time to time.
        if (sequence % PruneEvery == 0)
            await transaction.Connection!.ExecuteAsync("delete from ledger where device_number = @number and sequence <= @last", new { number, last = sequence - MaxPlaces }, transaction);
    }
}
