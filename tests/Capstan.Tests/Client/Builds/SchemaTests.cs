using System.Reflection;
using Capstan.Client;
using Capstan.Client.State;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Microsoft.Data.Sqlite;

namespace Capstan.Tests.Client.Builds;

/// <summary>A build that goes back finds the file that the later one has migrated: one file, never put back, so that the record chain cannot fork.</summary>
public sealed class SchemaTests : IAsyncLifetime
{
    private readonly ClientFixture _f = new(new MemoryStore(new ManualTime()));

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Fact]
    public async Task After_a_later_build_that_only_added_the_one_before_goes_on_with_its_chain()
    {
        await _f.EnrolAsync();
        await _f.CloseAsync();
        var before = (await _f.StatusAsync()).Sequence;
        Later(oldest: 3);
        await _f.OpenAsync();
        _f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Empty(_f.Site.Refused);
        Assert.Equal(before + 1, (await _f.StatusAsync()).Sequence);
        Assert.Equal("2.0", _f.Site.Items(Capstan.Protocol.V1.Documents.SoftwareInventory)[^1].Packages[0].Version);
    }

    [Theory]
    [InlineData(99)]
    [InlineData(null)]
    public async Task After_a_later_build_that_changed_what_was_there_the_one_before_refuses_and_changes_nothing(int? oldest)
    {
        await _f.EnrolAsync();
        await _f.CloseAsync();
        Later(oldest);
        var refused = await Assert.ThrowsAsync<ClientException>(() => _f.OpenAsync());
        Assert.Equal("state_newer", refused.Code);
    }

    [Fact]
    public void Every_script_says_for_which_programs_the_file_is_after_it()
    {
        var assembly = typeof(CapstanClient).Assembly;
        var scripts = assembly.GetManifestResourceNames().Where(name => name.Contains(".Schema.", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToList();
        Assert.NotEmpty(scripts);
        // Three were there before the rule, and before the first release.
        var before = 3;
        Assert.All(scripts.Skip(3), name =>
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            var oldest = Migrations.OldestOf(reader.ReadToEnd());
            Assert.True(oldest >= before, $"{name} must begin with a line '-- oldest: N', N not below that of the script before: how many scripts a program must know to work with the file after it");
            before = oldest.Value;
        });
    }

    [Theory]
    [InlineData("-- oldest: 2\ncreate table x (y integer);\n", 2)]
    [InlineData("create table x (y integer);\n", null)]
    [InlineData("-- oldest: two\n", null)]
    public void The_first_line_of_a_script_says_it(string script, int? oldest) => Assert.Equal(oldest, Migrations.OldestOf(script));

    [Fact]
    public async Task A_file_is_for_the_programs_that_can_bear_all_of_its_scripts_not_the_last_alone()
    {
        await _f.EnrolAsync();
        await _f.CloseAsync();
        using var connection = new SqliteConnection($"Data Source={ClientDatabase.PathIn(_f.Options.Directory)};Pooling=False");
        connection.Open();
        foreach (var (oldest, expected) in ((int, int)[])[(5, 5), (3, 5), (6, 6)])
        {
            Migrations.Note(connection, oldest);
            Assert.Equal(expected, Migrations.OldestIn(connection));
        }
    }

    /// <summary>What a later program leaves.</summary>
    private void Later(int? oldest)
    {
        using var connection = new SqliteConnection($"Data Source={ClientDatabase.PathIn(_f.Options.Directory)};Pooling=False");
        connection.Open();
        connection.Execute("create table later (x integer) strict; alter table item add column later text;");
        connection.Execute("insert into migration (number, name, sha256) values (99, '0099-later.sql', 'x')");
        // Null: a file that does not say it at all.
        ClientState.Put(connection, StateKey.SchemaOldest, oldest?.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }
}
