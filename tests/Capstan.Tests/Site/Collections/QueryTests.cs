using System.Text;
using System.Text.Json;
using Capstan.Protocol.V1;
using Capstan.Site.Collections;
using Capstan.Site.Store;
using Capstan.Testing;
using Dapper;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site.Collections;

/// <summary>The expression language: what is read, what is refused and where, and that the statement means what the expression says.</summary>
public sealed class QueryTests : IAsyncLifetime
{
    private const long Now = 100_000_000;

    private readonly string _directory = Directory.CreateTempSubdirectory("capstan-query-").FullName;
    private SiteDatabase _database = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var file = Path.Combine(_directory, "site.db");
        await NewSite.PutDatabaseAsync(file);
        _database = await SiteDatabase.OpenAsync(file, new ManualTime(), Stop);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    [Theory]
    [InlineData("os startsWith \"Debian\" and memory >= 4 GiB and not host like \"LAB-*\"", "os startsWith \"Debian\" and memory >= 4 GiB and not host like \"LAB-*\"")]
    [InlineData("  HOST=\"a\"or os is Known and(THREADS>08)", "host = \"a\" or os is known and threads > 8")]
    [InlineData("(host = \"a\" or host = \"b\") and host = \"c\"", "(host = \"a\" or host = \"b\") and host = \"c\"")]
    [InlineData("host = \"a\" or (host = \"b\" or host = \"c\")", "host = \"a\" or (host = \"b\" or host = \"c\")")]
    [InlineData("not (not host is unknown)", "not not host is unknown")]
    [InlineData("silent > 2 weeks", "silent > 14 d")]
    [InlineData("silent < 90 min", "silent < 90 min")]
    [InlineData("memory = 1024 KiB", "memory = 1 MiB")]
    [InlineData("host in (\"a\",\"b\\\"\\\\\")", "host in (\"a\", \"b\\\"\\\\\")")]
    [InlineData("package \"openssl\" version<\"3.0\"", "package \"openssl\" version < \"3.0\"")]
    [InlineData("PACKAGE LIKE \"lib*\"", "package like \"lib*\"")]
    [InlineData("address in \"10.1.0.0/16\"", "address in \"10.1.0.0/16\"")]
    public void An_expression_has_one_written_form(string text, string expected) => Assert.Equal(expected, QueryText.Write(QueryParser.Parse(text)));

    [Theory]
    [InlineData("", "The expression is empty, and an empty one selects nobody")]
    [InlineData("   ", "The expression is empty")]
    [InlineData("hostname = \"a\"", "Column 1: there is no attribute 'hostname'. There are: host, id, os,")]
    [InlineData("host = a", "Column 8: 'a' stands where a text in double quotes is expected.")]
    [InlineData("host > \"a\"", "Column 6: '>' stands where =, !=, startsWith")]
    [InlineData("memory > 4", "Column 11: the end stands where B, KB, MB, GB, TB, KiB, MiB, GiB or TiB is expected.")]
    [InlineData("memory > 4 d", "Column 12: 'd' stands where B, KB")]
    [InlineData("memory > \"4\"", "Column 10: the text \"4\" stands where a whole number")]
    [InlineData("threads > 4 GiB", "Column 13: 'GiB' stands where 'and', 'or' or the end is expected.")]
    [InlineData("memory > 99999999999999 TiB", "Column 10: 99999999999999 is too large.")]
    [InlineData("host = \"a", "Column 8: this text has no closing quote.")]
    [InlineData("host = \"a\\n\"", "Column 10: after a backslash comes a quote or a backslash.")]
    [InlineData("host = \"a\nb\"", "Column 10: the character U+000A cannot stand in a text.")]
    [InlineData("host = 'a'", "Column 8: ''' means nothing here; texts stand in double quotes.")]
    [InlineData("host = \"a\"; drop table device", "Column 11: ';' means nothing here")]
    [InlineData("(host = \"a\"", "Column 12: the end stands where ')', 'and' or 'or' is expected.")]
    [InlineData("host = \"a\" host = \"b\"", "Column 12: 'host' stands where 'and', 'or' or the end is expected.")]
    [InlineData("host in ()", "Column 10: ')' stands where a text in double quotes is expected.")]
    [InlineData("address in \"10.1.0.1/16\"", "Column 12: \"10.1.0.1/16\" is no network")]
    [InlineData("package \"\"", "Column 9: a package has a name.")]
    [InlineData("host like \"*a*b*c*d*\"", "Column 11: a pattern has at most 4 '*'.")]
    [InlineData("host is missing", "Column 9: 'missing' stands where 'known' or 'unknown' is expected.")]
    public void What_does_not_fit_is_refused_with_its_place(string text, string expected) =>
        Assert.StartsWith(expected, Assert.Throws<QueryException>(() => QueryParser.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Every_limit_is_declared_and_kept()
    {
        Assert.Contains("at most 4096", Refusal($"host = \"{new string('a', 5_000)}\""), StringComparison.Ordinal);
        Assert.Contains("at most 256", Refusal($"host = \"{new string('a', 257)}\""), StringComparison.Ordinal);
        Assert.Contains("more than 32 parentheses", Refusal($"{new string('(', 33)}host is known{new string(')', 33)}"), StringComparison.Ordinal);
        Assert.Contains("more than 32 parentheses", Refusal(string.Concat(Enumerable.Repeat("not ", 33)) + "host is known"), StringComparison.Ordinal);
        Assert.Contains("more than 100 conditions", Refusal(string.Join(" or ", Enumerable.Repeat("host is known", 101))), StringComparison.Ordinal);
        Assert.Contains("more than 500 values", Refusal($"host in ({string.Join(",", Enumerable.Repeat("\"\"", 501))})"), StringComparison.Ordinal);
        QueryParser.Parse($"{new string('(', 32)}host is known{new string(')', 32)}");
        QueryParser.Parse(string.Join(" or ", Enumerable.Repeat("host is known", 100)));

        static string Refusal(string text) => Assert.Throws<QueryException>(() => QueryParser.Parse(text)).Message;
    }

    [Fact]
    public void For_any_tree_what_is_written_reads_back_as_the_same_tree() =>
        Prop.ForAll(QueryGen.Query(12).ToArbitrary(), query => Assert.Equal(query, QueryParser.Parse(QueryText.Write(query)))).QuickCheckThrowOnFailure();

    /// <summary>The same tree with other values is the same statement: values have no way into it.</summary>
    [Fact]
    public void For_any_tree_the_statement_does_not_depend_on_a_value() => Prop.ForAll(QueryGen.Query(12).ToArbitrary(), query =>
    {
        var plain = QuerySql.Compile(query);
        var hostile = QuerySql.Compile(WithOtherValues(query));
        Assert.Equal(plain.Condition, hostile.Condition);
        Assert.Equal(plain.Parameters.Keys, hostile.Parameters.Keys);
    }).QuickCheckThrowOnFailure();

    [Fact]
    public async Task For_any_tree_the_database_selects_whom_the_plain_reading_selects()
    {
        var random = new System.Random(7);
        var devices = QueryGen.Device.Sample(60, new Rnd((ulong)random.NextInt64(), 1), 10).Select((device, n) => device with { DeviceId = $"dev{n:D3}" }).ToList();
        await StoreAsync(devices);
        var selected = 0;
        foreach (var query in QueryGen.Query(10).Sample(400, new Rnd((ulong)random.NextInt64(), 1), 10))
        {
            var expected = devices.Select((device, n) => (device, n)).Where(entry => QueryModel.Evaluate(query, entry.device, Now) == true).Select(entry => (long)entry.n + 1).ToHashSet();
            var actual = await _database.ReadAsync(connection => CollectionStore.SelectAsync(connection, null, QuerySql.Compile(query), Times.At(Now)), Stop);
            Assert.True(expected.SetEquals(actual), $"{QueryText.Write(query)}\nonly plain: {Show(expected.Except(actual))}\nonly database: {Show(actual.Except(expected))}");
            selected += actual.Count;
        }
        // Neither everybody nor nobody each time: the comparison has something to compare.
        Assert.InRange(selected, 400, 400 * 60 - 4_000);

        string Show(IEnumerable<long> numbers) => string.Join("; ", numbers.Select(number => devices[(int)number - 1]));
    }

    /// <summary>What a machine has not told is no reason to select it, whatever is negated.</summary>
    [Fact]
    public async Task What_nobody_knows_selects_nobody_by_not()
    {
        await StoreAsync([new ModelDevice("dev000", "pc1", null, null, null, null, null, null, null, [], null, false)]);
        foreach (var text in (string[])["not os = \"x\"", "os != \"x\"", "not memory > 4 GiB", "not package \"openssl\"", "not address in \"10.0.0.0/8\"", "not silent > 1 d", "not os in (\"x\")", "not platform startsWith \"linux\""])
            Assert.Empty(await _database.ReadAsync(connection => CollectionStore.SelectAsync(connection, null, QuerySql.Compile(QueryParser.Parse(text)), Times.At(Now)), Stop));
        Assert.Single(await _database.ReadAsync(connection => CollectionStore.SelectAsync(connection, null, QuerySql.Compile(QueryParser.Parse("os is unknown and not memory is known")), Times.At(Now)), Stop));
    }

    /// <summary>Results of <c>dpkg --compare-versions</c> and <c>rpmdev-vercmp</c>.</summary>
    [Theory]
    [InlineData("dpkg", "1.0", "1.0-1")]
    [InlineData("dpkg", "1.0~rc1", "1.0")]
    [InlineData("dpkg", "1.0~~", "1.0~")]
    [InlineData("dpkg", "1.9", "1.10")]
    [InlineData("dpkg", "1.0a", "1.0+")]
    [InlineData("dpkg", "1.0", "1.0a")]
    [InlineData("dpkg", "9", "1:0")]
    [InlineData("dpkg", "3.0.15-1~deb12u1", "3.0.15-1")]
    [InlineData("dpkg", "2.36-9+deb12u9", "2.36-9+deb12u10")]
    [InlineData("rpm", "1.0~rc1-1", "1.0-1")]
    [InlineData("rpm", "1.0-1", "1.0^git1-1")]
    [InlineData("rpm", "1.0^git1-1", "1.0.1-1")]
    [InlineData("rpm", "1.a-1", "1.1-1")]
    [InlineData("rpm", "5.14.0-70.el9", "5.14.0-427.el9")]
    public void Versions_sort_as_their_package_system_says(string source, string lower, string higher) =>
        Assert.True(string.CompareOrdinal(VersionKey.Of(source, lower), VersionKey.Of(source, higher)) < 0);

    [Fact]
    public void For_any_two_versions_their_keys_sort_as_step_by_step_comparison_says()
    {
        var version = Gen.Elements("0", "1", "09", "10", "a", "b", "Z", ".", "-", "~", "^", "+", ":", "2").ListOf().Select(parts => string.Concat(parts.Take(7)));
        Prop.ForAll(version.Two().ToArbitrary(), pair =>
        {
            Assert.Equal(Math.Sign(VersionOrder.Dpkg(pair.Item1, pair.Item2)), Math.Sign(string.CompareOrdinal(VersionKey.Of("dpkg", pair.Item1), VersionKey.Of("dpkg", pair.Item2))));
            Assert.Equal(Math.Sign(VersionOrder.Rpm(pair.Item1, pair.Item2)), Math.Sign(string.CompareOrdinal(VersionKey.Of("rpm", pair.Item1), VersionKey.Of("rpm", pair.Item2))));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2_000));
    }

    private static Query WithOtherValues(Query query) => query switch
    {
        Query.And(var left, var right) => new Query.And(WithOtherValues(left), WithOtherValues(right)),
        Query.Or(var left, var right) => new Query.Or(WithOtherValues(left), WithOtherValues(right)),
        Query.Not(var operand) => new Query.Not(WithOtherValues(operand)),
        Query.TextTest test => test with { Value = "'; drop table device; --\"@p0" },
        Query.TextIn test => test with { Values = new TextList([.. test.Values.Items.Select(_ => "') or 1=1 --")]) },
        Query.AmountTest test => test with { Value = 42 },
        Query.Package test => test with { Name = "' or ''='", Version = test.Version is { } version ? version with { Value = "'\0" } : null },
        _ => query,
    };

    private Task StoreAsync(IReadOnlyList<ModelDevice> devices) => _database.WriteAsync(async transaction =>
    {
        var connection = transaction.Connection!;
        var packages = devices.SelectMany(device => device.Packages ?? []).Distinct().ToList();
        foreach (var (package, n) in packages.Select((package, n) => (package, n)))
            await connection.ExecuteAsync("insert into package values (@n, @Name, @Version, '', @Source, '', '', -1, null, null)", new { n, package.Name, package.Version, package.Source }, transaction);
        foreach (var (device, n) in devices.Select((device, n) => (device, n)))
        {
            await connection.ExecuteAsync(
                """
                insert into device (number, device_id, key_id, signing_key, sealing_key, bin, state, install_nonce, host_name, search_text, operating_system, platform, model, memory_bytes, last_seen, addresses, requested_at, record_hash)
                values (@number, @DeviceId, @DeviceId, '', '', '00', 'approved', '', @Host, '', @Os, @Platform, @Model, @Memory, @LastSeen, @addresses, 0, '')
                """, new { number = n + 1, device.DeviceId, device.Host, device.Os, device.Platform, device.Model, device.Memory, device.LastSeen, addresses = JsonSerializer.Serialize(device.Addresses, StoreJson.Default.IReadOnlyListString) }, transaction);
            if (device.Manufacturer is not null || device.Threads is not null)
                await connection.ExecuteAsync("insert into hardware values (@number, @document, 1)", new { number = n + 1, document = Encoding.UTF8.GetString(Documents.HardwareInventory.Encode(Hardware(device))) }, transaction);
            if (device.Packages is not { } installed)
                continue;
            await connection.ExecuteAsync("insert into software_inventory values (@number, @unread, 1)", new { number = n + 1, unread = device.AllRead ? "[]" : "[{\"source\":\"x\",\"reason\":\"y\"}]" }, transaction);
            foreach (var package in installed)
                await connection.ExecuteAsync("insert into device_package values (@number, @package, null)", new { number = n + 1, package = packages.IndexOf(package) }, transaction);
        }
        await DeviceFacts.RefreshAsync(transaction);
    }, Stop);

    private static HardwareInventory Hardware(ModelDevice device) => new()
    {
        System = new ComputerSystem(device.Host, null, device.Manufacturer, device.Model, null, null, null),
        OperatingSystem = new OperatingSystemFacts(device.Os ?? "", null, null, "6.1", "x86_64", null, null, null),
        Memory = new MemoryFacts(device.Memory ?? 0, 0, []),
        Processors = device.Threads is { } threads ? [new Processor("cpu", null, 1, (int)threads, null, null)] : [],
    };
}
