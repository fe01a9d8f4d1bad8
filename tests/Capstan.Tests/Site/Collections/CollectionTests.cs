using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Publish.Settings;
using Capstan.Site.Store;
using Capstan.Testing;
using Dapper;
using Microsoft.Data.Sqlite;

namespace Capstan.Tests.Site.Collections;

/// <summary>Who is in a collection, when that changes, and what holds when it cannot be found out.</summary>
public sealed class CollectionTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private SiteHarness _site = null!;

    private CollectionAdministration Collections => _site.Get<CollectionAdministration>();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _site = await SiteHarness.CreateAsync(_time);
        await _site.AddCapAsync();
    }

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    [Fact]
    public async Task A_site_has_the_built_in_collections_and_nobody_changes_them()
    {
        var linux = await _site.EnrolAsync("pc1");
        await _site.EnrolAsync("pc2");
        await _site.TakeInAsync(linux, Documents.Heartbeat.ToItem(Documents.Heartbeat.Decode(linux.Heartbeat()) with { Platform = "linux-x64" }));
        await _site.EvaluateAsync();
        Assert.Equal([("All Systems", 2), ("All Linux", 1), ("All Windows", 0)], (await Collections.ListAsync(Stop)).Select(row => (row.Name, row.Members)));
        Assert.Equal("built_in", await CodeAsync(() => Collections.EditAsync("all linux", new CollectionEdit("id is known"), Stop)));
        Assert.Equal("built_in", await CodeAsync(() => Collections.RemoveAsync("All Systems", Stop)));
        Assert.Equal("collection_exists", await CodeAsync(() => Collections.CreateAsync(new CollectionCreate("ALL SYSTEMS"), Stop)));
    }

    [Fact]
    public async Task Members_by_name_and_by_query_come_and_go_each_by_its_own_way()
    {
        var lab = await _site.EnrolAsync("LAB-01");
        var desk = await _site.EnrolAsync("desk");
        var made = await Collections.CreateAsync(new CollectionCreate("Lab", "host startsWith \"lab-\"", Members: [desk.Id.Value, lab.Id.Value]), Stop);
        Assert.Equal((2, 2), (made.Members, made.Added));
        Assert.Equal([("desk", "name"), ("LAB-01", "both")], await MembersAsync("lab"));
        Assert.Equal((0, 0), Moved(await Collections.EditAsync("Lab", new CollectionEdit("host = \"desk\""), Stop)));
        Assert.Equal([("desk", "both"), ("LAB-01", "name")], await MembersAsync("Lab"));
        Assert.Equal((0, 1), Moved(await Collections.MembersAsync("Lab", new CollectionMembersChange(Drop: [lab.Id.Value]), Stop)));
        Assert.Equal("not_a_member", await CodeAsync(() => Collections.MembersAsync("Lab", new CollectionMembersChange(Add: [lab.Id.Value], Drop: ["nobody"]), Stop)));
        Assert.Equal([("desk", "both")], await MembersAsync("Lab"));
        Assert.Equal((0, 0), Moved(await Collections.EditAsync("Lab", new CollectionEdit(""), Stop)));
        Assert.Equal([("desk", "name")], await MembersAsync("Lab"));
    }

    [Fact]
    public async Task An_empty_collection_has_nobody_and_a_bad_query_is_not_saved()
    {
        await _site.EnrolAsync("pc1");
        Assert.Equal(0, (await Collections.CreateAsync(new CollectionCreate("Nobody"), Stop)).Members);
        Assert.Equal(0, (await Collections.CreateAsync(new CollectionCreate("Blank", "  "), Stop)).Members);
        Assert.Equal("bad_query", await CodeAsync(() => Collections.CreateAsync(new CollectionCreate("Bad", "hst = \"pc1\""), Stop)));
        Assert.Equal("bad_query", await CodeAsync(() => Collections.EditAsync("Nobody", new CollectionEdit("host"), Stop)));
        foreach (var name in (string[])["", " a", "a ", "a  b", "a/b", new string('a', 65), "a\nb"])
            Assert.Equal("bad_collection", await CodeAsync(() => Collections.CreateAsync(new CollectionCreate(name), Stop)));
        Assert.DoesNotContain(await Collections.ListAsync(Stop), row => row.Name == "Bad");
    }

    /// <summary>A query that this program does not understand (it came from a newer one) leaves everybody where they are, and says why.</summary>
    [Fact]
    public async Task An_evaluation_that_fails_keeps_the_members_and_shows_why()
    {
        var first = await _site.EnrolAsync("pc1");
        await Collections.CreateAsync(new CollectionCreate("Desks", "host startsWith \"pc\""), Stop);
        await SqlAsync("update collection set query = 'colour = \"red\"' where name = 'Desks'");
        var second = await _site.EnrolAsync("pc2");
        await _site.EvaluateAsync();
        var shown = await Collections.ShowAsync("Desks", Stop);
        Assert.StartsWith("Column 1: there is no attribute 'colour'.", shown.Error, StringComparison.Ordinal);
        Assert.Equal([("pc1", "query")], await MembersAsync("Desks"));
        // Who is retired meanwhile leaves all the same, and members by name still come.
        await Collections.MembersAsync("Desks", new CollectionMembersChange(Add: [second.Id.Value]), Stop);
        Assert.Equal([("pc1", "query"), ("pc2", "name")], await MembersAsync("Desks"));
        await _site.Get<Capstan.Site.Load.Enrolment>().RetireAsync(first.Id.Value, Stop);
        await _site.EvaluateAsync();
        Assert.Equal([("pc2", "name")], await MembersAsync("Desks"));
        await Collections.EditAsync("Desks", new CollectionEdit("host startsWith \"pc\""), Stop);
        Assert.Null((await Collections.ShowAsync("Desks", Stop)).Error);
    }

    [Fact]
    public async Task A_preview_says_who_would_come_and_go_and_changes_nothing()
    {
        await _site.EnrolAsync("pc1");
        await _site.EnrolAsync("pc2");
        await Collections.CreateAsync(new CollectionCreate("One", "host = \"pc1\""), Stop);
        var preview = await Collections.PreviewAsync("One", "host = \"pc2\"", Stop);
        Assert.Equal((1, 1, 1), (preview.Members, preview.Added, preview.Removed));
        Assert.Equal("pc2", Assert.Single(preview.Coming).HostName);
        Assert.Equal("pc1", Assert.Single(preview.Leaving).HostName);
        Assert.Equal([("pc1", "query")], await MembersAsync("One"));
        var answer = await Collections.QueryAsync("not host = \"pc1\"", 10, Stop);
        Assert.Equal((1, "not host = \"pc1\""), (answer.Clients, answer.Query));
    }

    /// <summary>Only who came or left gets another policy.</summary>
    [Fact]
    public async Task A_change_of_members_signs_only_the_policies_that_it_changes()
    {
        var first = await _site.EnrolAsync("pc1");
        await _site.EnrolAsync("pc2");
        await Collections.CreateAsync(new CollectionCreate("One", "host = \"pc1\""), Stop);
        Assert.Equal(1, (await _site.Get<SettingAdministration>().SetAsync(SettingScope.OfCollection("One"), "cycle", "2h", Stop)).Clients);
        await PublishAsync();
        Assert.Equal(0, (await Collections.EditAsync("One", new CollectionEdit("host like \"pc1\""), Stop)).Clients);
        Assert.Equal(2, (await Collections.EditAsync("One", new CollectionEdit("host = \"pc2\""), Stop)).Clients);
        await PublishAsync();
        Assert.Equal(1, (await Collections.MembersAsync("One", new CollectionMembersChange(Add: [first.Id.Value]), Stop)).Clients);
        await PublishAsync();
        var version = await _site.VersionAsync();
        await _site.EvaluateAsync();
        await PublishAsync();
        Assert.Equal(version, await _site.VersionAsync());
    }

    /// <summary>Time alone moves a member: nobody has to report anything.</summary>
    [Fact]
    public async Task Who_is_silent_comes_into_the_collection_of_the_silent()
    {
        await _site.EnrolAsync("pc1");
        await Collections.CreateAsync(new CollectionCreate("Silent", "silent > 14 d"), Stop);
        Assert.Empty(await MembersAsync("Silent"));
        _time.Advance(TimeSpan.FromDays(15));
        // The site was off, and has not heard of anybody yet.
        await _site.EvaluateAsync();
        Assert.Empty(await MembersAsync("Silent"));
        await _site.DrainAsync();
        await _site.EvaluateAsync();
        Assert.Equal([("pc1", "query")], await MembersAsync("Silent"));
    }

    [Fact]
    public async Task The_first_policy_of_a_client_is_that_of_its_collections()
    {
        await Collections.CreateAsync(new CollectionCreate("Lab", "host startsWith \"lab\""), Stop);
        await _site.Get<SettingAdministration>().SetAsync(SettingScope.OfCollection("Lab"), "cycle", "2h", Stop);
        var device = await _site.EnrolAsync("lab-1");
        // Nothing was evaluated since: this is the publisher alone.
        _time.Advance(TimeSpan.FromSeconds(2));
        await _site.PublishAsync();
        var policy = await _site.PolicyAsync(device);
        Assert.Equal(("7200", "collection:Lab"), policy.Settings!.Select(setting => (setting.Value, setting.From)).Single());
        Assert.Equal([("lab-1", "query")], await MembersAsync("Lab"));
    }

    [Fact]
    public async Task A_package_is_comparable_from_the_moment_it_is_stored()
    {
        await _site.Context.Database.WriteAsync(async transaction =>
        {
            await _site.Get<PackageCatalog>().AddAsync(transaction, new InstalledPackage("Firefox", "130", null, null, null, "dpkg", null, null));
            return await DeviceFacts.AreStaleAsync(transaction.Connection!) ? throw new InvalidOperationException("it waits for its keys") : 0;
        }, Stop);
    }

    [Fact]
    public async Task A_query_that_is_longer_in_its_written_form_than_it_may_be_is_refused_before_it_is_stored()
    {
        var query = $"id in({string.Join(',', Enumerable.Range(0, 500).Select(number => FormattableString.Invariant($"\"{number:x5}\"")))})";
        Assert.True(query.Length <= 4_096);
        await Collections.CreateAsync(new CollectionCreate("One", "host = \"pc1\""), Stop);
        Assert.Equal("bad_query", (await Assert.ThrowsAsync<SiteException>(() => Collections.CreateAsync(new CollectionCreate("Two", query), Stop))).Code);
        Assert.Equal("bad_query", (await Assert.ThrowsAsync<SiteException>(() => Collections.EditAsync("One", new CollectionEdit(query), Stop))).Code);
        Assert.Equal("host = \"pc1\"", (await Collections.ShowAsync("One", Stop)).Query);
    }

    /// <summary>What the list shows as stronger is what counts.</summary>
    [Fact]
    public async Task Of_two_collections_with_one_priority_the_list_and_the_policy_say_the_same()
    {
        var device = await _site.EnrolAsync("pc1");
        foreach (var name in new[] { "alpha", "Beta", "Accounting" })
        {
            await Collections.CreateAsync(new CollectionCreate(name, "id is known"), Stop);
            await _site.Get<SettingAdministration>().SetAsync(SettingScope.OfCollection(name), "cycle", name.Length + "h", Stop);
        }
        await _site.Get<SettingAdministration>().SetAsync(SettingScope.OfCollection("All Systems"), "cycle", "20h", Stop);
        await PublishAsync();
        var strongest = (await Collections.OfAsync(device.Id.Value, Stop))[0].Name;
        Assert.Equal("Beta", strongest);
        Assert.Equal("collection:Beta", (await _site.PolicyAsync(device)).Settings!.Single().From);
    }

    [Fact]
    public async Task A_value_is_set_for_no_collection_that_is_gone() => Assert.Equal("collection_unknown",
        (await Assert.ThrowsAsync<SiteException>(() => _site.Get<SettingAdministration>().SetAsync(SettingScope.OfCollection("Gone"), "cycle", "2h", Stop))).Code);

    [Fact]
    public async Task Groups_of_a_site_from_before_become_collections_with_their_members_and_settings()
    {
        var file = Path.Combine(_site.Directory, "old.db");
        var before = Migrations.Embedded().Where(migration => migration.Number < 28).ToList();
        await using (var connection = new SqliteConnection($"Data Source={file};Pooling=false"))
        {
            await connection.OpenAsync(Stop);
            await Migrations.ApplyAsync(connection, before, _time, Stop);
            await connection.ExecuteAsync(
                """
                insert into client_group values ('lab', 10, 'host:LAB-"x\', 5), ('Lab', 3, 'system:Debian', 6), ('pilots', 0, null, 7), ('odd', 0, 'owner:anna', 8);
                insert into client_group_member values ('pilots', 'abcd'), ('lab', 'efgh');
                insert into client_setting values ('group:lab', 'cycle', '7200', 1), ('site', 'cycle', '3600', 1), ('group:gone', 'cycle', '1', 1);
                """);
        }
        await using var database = await SiteDatabase.OpenAsync(file, _time, Stop);
        var store = new CollectionStore(database);
        Assert.Equal([("lab.2.2", "host startsWith \"LAB-\\\"x\\\\\"", 10L), ("Lab", "os startsWith \"Debian\"", 3L), ("pilots", null, 0L), ("odd", null, 0L)],
            (await store.ListAsync(Stop)).Where(row => !row.IsBuiltIn).Select(row => (row.Name, row.Query, row.Priority)));
        foreach (var row in await store.ListAsync(Stop))
            if (row.Query is { } query)
                Assert.Equal(query, QueryText.Write(QueryParser.Parse(query)));
        Assert.Equal([("collection:lab.2.2", "cycle"), ("site", "cycle")], await database.ReadAsync(async connection => (await connection.QueryAsync<(string, string)>("select scope, name from client_setting order by scope")).ToList(), Stop));
        Assert.Equal([("lab.2.2", "efgh"), ("pilots", "abcd")], await database.ReadAsync(async connection =>
            (await connection.QueryAsync<(string, string)>("select c.name, s.device_id from collection_static s join collection c on c.collection_id = s.collection_id order by c.name")).ToList(), Stop));
    }

    private static (int Added, int Removed) Moved(CollectionSaved saved) => (saved.Added, saved.Removed);

    private async Task<IReadOnlyList<(string, string?)>> MembersAsync(string name) => [.. (await Collections.MembersAsync(name, 0, 100, Stop)).Select(member => (member.HostName, member.By))];

    private static async Task<string> CodeAsync(Func<Task> action) => (await Assert.ThrowsAsync<SiteException>(action)).Code;

    private Task<int> SqlAsync(string sql) => _site.Context.Database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync(sql, null, transaction), Stop);

    private async Task PublishAsync()
    {
        _time.Advance(TimeSpan.FromMinutes(2));
        await _site.PublishAsync();
    }
}
