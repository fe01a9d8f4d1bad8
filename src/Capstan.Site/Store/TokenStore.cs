using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using Capstan.Site.Api;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>Enrolment tokens. Only the SHA-256 of a secret is kept, so that a copy of the database enrols nobody.</summary>
internal sealed class TokenStore(SiteDatabase database)
{
    public Task CreateAsync(string tokenId, string secret, string? label, int uses, DateTimeOffset now, DateTimeOffset expires, CancellationToken cancellationToken) =>
        database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync(
            "insert into token (token_id, label, secret_sha256, uses_left, created_at, expires_at) values (@tokenId, @label, @hash, @uses, @now, @expires)",
            new { tokenId, label, hash = Hash(secret), uses, now = Times.Of(now), expires = Times.Of(expires) }, transaction), cancellationToken);

    /// <summary>Uses a token up by one when id and secret belong together and it is neither spent nor expired.</summary>
    /// <returns>Whether it was accepted, and its label.</returns>
    public static async Task<(bool Accepted, string? Label)> ConsumeAsync(DbTransaction transaction, string tokenId, string secret, DateTimeOffset now)
    {
        var row = await transaction.Connection!.QuerySingleOrDefaultAsync<(string Hash, string? Label)?>(
            "select secret_sha256, label from token where token_id = @tokenId and uses_left > 0 and expires_at > @now", new { tokenId, now = Times.Of(now) }, transaction);
        // Compared with something even when there is no such token, and without an early end: time tells nothing.
        var matches = CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Hash(secret)), Encoding.ASCII.GetBytes(row?.Hash ?? Hash("")));
        if (row is null || !matches)
            return (false, null);
        await transaction.Connection!.ExecuteAsync("update token set uses_left = uses_left - 1 where token_id = @tokenId", new { tokenId }, transaction);
        return (true, row.Value.Label);
    }

    /// <summary>Newest first; expired and spent ones stay listed until they are pruned.</summary>
    public Task<IReadOnlyList<TokenRow>> ListAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<TokenRow>>(
        async connection => [.. (await connection.QueryAsync<(string Id, string? Label, long Uses, long Created, long Expires)>(
            "select token_id, label, uses_left, created_at, expires_at from token order by created_at desc, token_id limit 1000"))
            .Select(row => new TokenRow(row.Id, row.Label, (int)row.Uses, Times.At(row.Created), Times.At(row.Expires)))], cancellationToken);

    /// <summary>Removes tokens that expired before <paramref name="before"/>.</summary>
    public static Task<int> PruneAsync(DbTransaction transaction, DateTimeOffset before) =>
        transaction.Connection!.ExecuteAsync("delete from token where expires_at < @before", new { before = Times.Of(before) }, transaction);

    private static string Hash(string secret) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
}
