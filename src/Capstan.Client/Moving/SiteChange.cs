using Capstan.Client.Identity;
using Capstan.Client.State;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Microsoft.Data.Sqlite;

namespace Capstan.Client.Moving;

/// <summary>The one step of a move that decides: this machine becomes a client of another site, with new keys. What belongs to the old site goes, and nothing of it is told to the new one.</summary>
/// <remarks>Keys, token and accounts are written beside the present ones first (<see cref="NewIdentity.Folder"/>); the transaction that names the new device decides; then they take the others' place
/// (<see cref="NewIdentity.Finish"/>), by the next start of the client where this one is interrupted.</remarks>
internal static class SiteChange
{
    /// <summary>What is this machine's, whatever its site: everything else in the database came from the old one or was made for it.</summary>
    private static readonly string[] s_kept = [StateKey.Evidence, StateKey.SchemaOldest, StateKey.BuildAsked];

    /// <param name="token">The text of <paramref name="target"/>.</param>
    /// <param name="cap">A CAP of the new site that the person at the machine gave; null for none.</param>
    /// <returns>The new device.</returns>
    public static async Task<DeviceId> TakeAsync(ClientCore core, EnrolmentToken target, string token, string? cap, string why, CancellationToken cancellationToken)
    {
        var next = Path.Combine(core.Directory, NewIdentity.Folder);
        DurableFile.CreatePrivateDirectory(next);
        DurableFile.FlushDirectory(core.Directory);
        await DeviceKeys.EnsureAsync(next, cancellationToken);
        // Also where there are none: the old site's would stay.
        await AccountFile.ReplaceAsync(next, target.Accounts ?? [], cancellationToken);
        await EnrolmentSecret.SaveAsync(next, token.Trim(), cancellationToken);
        DeviceId id;
        using (var keys = DeviceKeys.Load(next))
            id = keys.Id;
        core.Database.Write(connection =>
        {
            Forget(connection);
            foreach (var (name, value) in new[]
            {
                (StateKey.SiteCode, target.SiteCode),
                (StateKey.Assignment, why),
                (StateKey.DeviceId, id.Value),
                (StateKey.InstallNonce, NewIdentity.NewNonce()),
                (StateKey.TokenCaps, string.Join('\n', target.Caps)),
                (StateKey.OwnCaps, cap),
                (StateKey.RequestWanted, target.TokenId),
                (StateKey.Lifecycle, "installed"),
            })
                ClientState.Put(connection, name, value);
        });
        // What was deleted is not to be read in the log of the database either.
        core.Database.Checkpoint();
        NewIdentity.Finish(core.Directory, id.Value);
        return id;
    }

    /// <summary>Whatever tables there are: one that comes later belongs to the site that filled it, too.</summary>
    private static void Forget(SqliteConnection connection)
    {
        connection.Execute("pragma defer_foreign_keys = on");
        var tables = connection.Query("select name from sqlite_master where type = 'table' and name not in ('migration', 'state') and name not like 'sqlite!_%' escape '!'", row => row.GetString(0));
        foreach (var table in tables)
            connection.Execute($"delete from \"{table}\"");
        connection.Execute($"delete from state where name not in ({string.Join(", ", s_kept.Select(name => $"'{name}'"))})");
    }
}
