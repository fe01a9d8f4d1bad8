using Capstan.Client.State;
using Microsoft.Data.Sqlite;

namespace Capstan.Tests.Client;

/// <summary>A process that is killed in a transaction leaves a journal, which whoever looks next has to take back.</summary>
public sealed class HotJournalTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("capstan-journal-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public void A_state_whose_writer_was_killed_is_read_as_it_was_before(string journal)
    {
        var killed = Directory.CreateDirectory(Path.Combine(_folder.FullName, "killed")).FullName;
        var found = Directory.CreateDirectory(Path.Combine(_folder.FullName, "found")).FullName;
        using (var database = ClientDatabase.Open(killed))
            new ClientState(database).Set((StateKey.SiteCode, "ABC"));
        using (var connection = new SqliteConnection($"Data Source={ClientDatabase.PathIn(killed)};Pooling=False"))
        {
            connection.Open();
            // So small a cache writes into the file before the transaction ends.
            connection.Execute($"pragma journal_mode = {journal}; pragma cache_size = 1; begin immediate; update state set value = 'XYZ'; create table filler (content blob)");
            for (var i = 0; i < 200; i++)
                connection.Execute("insert into filler values (randomblob(4000))");
            foreach (var file in Directory.GetFiles(killed))
                File.Copy(file, Path.Combine(found, Path.GetFileName(file)));
            connection.Execute("rollback");
        }
        using var read = ClientDatabase.OpenReadOnly(found);
        Assert.Equal("ABC", new ClientState(read).Get(StateKey.SiteCode));
    }
}
