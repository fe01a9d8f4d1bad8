using Capstan.Client;
using Capstan.Client.Identity;
using Capstan.Client.Moving;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Microsoft.Data.Sqlite;

namespace Capstan.Tests.Client.Moving;

/// <summary>A client that moves from one site to another, cut off at every step: what it had to say arrives, and it belongs to one site or the other.</summary>
public sealed class ClientMoveTests : IAsyncLifetime
{
    private const string LastNews = "said before the move";

    private readonly ManualTime _ownTime = new();
    private readonly MemoryStore _cap;
    private readonly FaultStore _seen;
    private readonly MemoryStore _otherCap;
    private readonly FaultStore _otherSeen;
    private readonly ClientFixture _f;
    private readonly TestSite _other;
    private readonly string _otherPath = NalPath.FromDirectory("/other").ToString();
    private readonly List<string> _told = [];

    public ClientMoveTests()
    {
        _cap = new MemoryStore(_ownTime);
        _seen = new FaultStore(_cap, _ownTime);
        _otherCap = new MemoryStore(_ownTime);
        _otherSeen = new FaultStore(_otherCap, _ownTime);
        _f = new ClientFixture(_cap, _seen);
        _f.Provider.Elsewhere[_otherPath] = _otherSeen;
        _other = new TestSite(_otherCap, _f.Time, "XYZ");
        _other.Describe(new CapEntry { Path = _otherPath });
    }

    public async ValueTask InitializeAsync()
    {
        await _other.PublishAsync(ClientFixture.Stop);
        await _f.EnrolAsync();
        _f.Client!.Core.Report("warning", "test", LastNews);
    }

    public async ValueTask DisposeAsync()
    {
        await _f.DisposeAsync();
        _other.Dispose();
    }

    [Fact]
    public async Task A_client_delivers_what_waits_says_goodbye_and_is_a_new_client_of_the_other_site()
    {
        var before = (await _f.StatusAsync()).DeviceId;
        Assert.True(await MoveAsync());
        await _f.CloseAsync();
        AssertLeft();
        Assert.Equal(["Site XYZ was found at " + _otherPath + " and verified.", "Site ABC has acknowledged everything, and that this client leaves."], _told);

        await _f.OpenAsync();
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await _other.DrainAsync(ClientFixture.Stop);
        _other.SetPolicy(Assert.Single(_other.Items(Documents.ConfigurationRequest)));
        await _other.PublishAsync(ClientFixture.Stop);
        _f.Time.Advance(TimeSpan.FromMinutes(5));
        await _f.SettleAsync();
        await _other.DrainAsync(ClientFixture.Stop);

        var status = await _f.StatusAsync();
        Assert.Equal(("XYZ", "approved", "moved from site ABC"), (status.SiteCode, status.State, status.Assignment));
        Assert.NotEqual(before, status.DeviceId);
        Assert.NotEmpty(_other.Items(Documents.SoftwareInventory));
        Assert.Empty(_other.Refused);
        Assert.Null(Assert.Single(_other.Items(Documents.ConfigurationRequest)).Former);
    }

    /// <summary>Privacy: what one site knows or gave stays its own.</summary>
    [Fact]
    public async Task Nothing_of_the_old_site_stays_or_reaches_the_new_one()
    {
        var status = await _f.StatusAsync();
        var nonce = _f.Client!.Core.State.Get(StateKey.InstallNonce)!;
        var starts = _f.Client.Core.State.Get(StateKey.Starts)!;
        await AccountFile.ReplaceAsync(_f.Options.Directory, [new AccountSecret("old-account", "old-password")], ClientFixture.Stop);
        Assert.True(await MoveAsync());
        await _f.CloseAsync();

        Assert.Empty(AccountFile.Load(_f.Options.Directory));
        Assert.Equal("XYZ", (await EnrolmentSecret.LoadAsync(_f.Options.Directory, ClientFixture.Stop))!.SiteCode);
        Assert.Equal([DeviceKeys.SealingFile, DeviceKeys.SigningFile, AccountFile.FileName, EnrolmentSecret.FileName],
            Directory.GetFiles(Path.Combine(_f.Options.Directory, DeviceKeys.Folder)).Select(Path.GetFileName).OfType<string>().OrderBy(name => name is AccountFile.FileName or EnrolmentSecret.FileName).ThenBy(name => name, StringComparer.Ordinal));
        foreach (var file in Directory.GetFiles(_f.Options.Directory, ClientDatabase.FileName + "*"))
        {
            var text = System.Text.Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file, ClientFixture.Stop));
            foreach (var old in new[] { status.DeviceId, nonce, starts, _f.CapPath, "old-account", LastNews })
                Assert.DoesNotContain(old, text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public async Task Ended_after_any_step_the_same_call_finishes_it(int steps)
    {
        Assert.False(await MoveAsync(steps) && steps < 6);
        await ReopenAsync();
        Assert.True(await MoveAsync());
        await _f.CloseAsync();
        AssertLeft();
        await AssertArrivesAsync();
    }

    public static TheoryData<int> Flushes => [.. Enumerable.Range(1, 16)];

    /// <summary>Each file that the step writes, moves or removes is flushed before the next: cut off after each of them.</summary>
    [Theory]
    [MemberData(nameof(Flushes))]
    public async Task Ended_at_any_file_of_the_step_that_decides_the_client_is_of_one_site_and_the_same_call_finishes_it(int nth)
    {
        var seen = 0;
        using (DurableFile.Observe(folder =>
        {
            if (folder.StartsWith(_f.Options.Directory, StringComparison.Ordinal) && ++seen == nth)
                throw new IOException("cut off");
        }))
        {
            try
            {
                Assert.True(await MoveAsync());
                // So that a longer step needs more cases here.
                Assert.True(seen < nth && nth > 10);
            }
            catch (IOException cut)
            {
                Assert.Equal("cut off", cut.Message);
            }
        }
        await ReopenAsync();
        Assert.Equal(_f.Client!.Core.SiteCode == "ABC", (await _f.StatusAsync()).State == "approved");
        Assert.True(await MoveAsync());
        await _f.CloseAsync();
        AssertLeft();
        await AssertArrivesAsync();
    }

    public static TheoryData<int, bool> Operations
    {
        get
        {
            var cases = new TheoryData<int, bool>();
            foreach (var nth in Enumerable.Range(1, 12))
            {
                cases.Add(nth, false);
                cases.Add(nth, true);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task Cut_off_at_any_operation_on_either_storage_nothing_is_lost_or_said_twice(int nth, bool after)
    {
        foreach (var store in new[] { _seen, _otherSeen })
            store.Add(new StoreFault(StoreOperations.Read | StoreOperations.Create, NalError.ReadRemote) { Nth = nth, After = after });
        var isDone = false;
        for (var tries = 0; tries < 6 && !isDone; tries++)
        {
            try
            {
                isDone = await MoveAsync();
            }
            catch (ClientException e) when (e.Code == "target_unseen")
            {
                Assert.Equal("ABC", (await _f.StatusAsync()).SiteCode);
            }
            await ReopenAsync();
        }
        Assert.True(isDone);
        await _f.CloseAsync();
        AssertLeft();
        await AssertArrivesAsync();
    }

    [Fact]
    public async Task A_client_whose_move_was_interrupted_stays_and_takes_its_last_word_back_when_it_runs()
    {
        // Look, deliver, depart, deliver: the site has its last word.
        Assert.False(await MoveAsync(4));
        Assert.Contains(_f.Site.Applied[^1].Items, item => item.Kind == ItemKind.Departure);
        await ReopenAsync();
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.DoesNotContain(_f.Site.Applied[^1].Items, item => item.Kind == ItemKind.Departure);
        Assert.Equal("ABC", (await _f.StatusAsync()).SiteCode);
        // And goes later, with another last word.
        Assert.True(await MoveAsync());
        await _f.CloseAsync();
        AssertLeft();
        Assert.Equal(2, _f.Site.Items(Documents.Departure).Count);
    }

    [Fact]
    public async Task Run_by_the_loop_it_says_a_heartbeat_that_takes_the_last_word_back()
    {
        Assert.False(await MoveAsync(5));
        await ReopenAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ClientFixture.Stop);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _f.Client!.RunAsync(stop.Token));
        _f.Time.Advance(TimeSpan.FromMinutes(6));
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Contains(_f.Site.Applied[^1].Items, item => item.Kind == ItemKind.Heartbeat);
    }

    [Fact]
    public async Task While_the_old_site_acknowledges_nothing_the_client_stays_unless_a_person_says_otherwise()
    {
        var stays = await Assert.ThrowsAsync<ClientException>(() => MoveAsync(drains: false));
        Assert.Equal("move_waits", stays.Code);
        Assert.Contains("2 records (3 to 4: departure, status), written to a CAP, from where the site may still take them in", stays.Message, StringComparison.Ordinal);
        Assert.Equal(("ABC", "approved"), ((await _f.StatusAsync()).SiteCode, (await _f.StatusAsync()).State));
        _told.Clear();
        Assert.True(await MoveAsync(drains: false, leavesBehind: true));
        Assert.Contains(_told, line => line.StartsWith("Left behind, not acknowledged by site ABC: 2 records", StringComparison.Ordinal));
        // What lies on the CAP is taken in all the same.
        await _f.Site.DrainAsync(ClientFixture.Stop);
        AssertLeft();
    }

    [Fact]
    public async Task A_site_that_is_gone_is_left_only_by_order_and_the_line_says_what_was_lost()
    {
        _seen.Add(new StoreFault((StoreOperations)~0, NalError.Connect));
        var stays = await Assert.ThrowsAsync<ClientException>(() => MoveAsync());
        Assert.Equal("move_waits", stays.Code);
        Assert.Contains("injected", stays.Message, StringComparison.Ordinal);
        _told.Clear();
        Assert.True(await MoveAsync(leavesBehind: true));
        // The first of them was written before the site went; nobody has seen its receipt.
        Assert.Equal("Left behind, not acknowledged by site ABC: 2 records (2 to 3: hardware-inventory, heartbeat, software-inventory, status), 1 of them written to a CAP, from where the site may still take them in.", _told[^1]);
        await _f.CloseAsync();
        await AssertArrivesAsync();
    }

    [Fact]
    public async Task Nothing_is_left_for_a_site_that_does_not_verify_from_its_own_token()
    {
        using var forged = new TestSite(new MemoryStore(_ownTime), _f.Time, "XYZ");
        var refused = await Assert.ThrowsAsync<ClientException>(() => MoveAsync(token: forged.Token(_otherPath)));
        Assert.Equal("target_unseen", refused.Code);
        Assert.Equal("ABC", (await _f.StatusAsync()).SiteCode);
        Assert.Empty(_f.Site.Items(Documents.Departure));
    }

    [Fact]
    public async Task A_client_that_its_site_has_retired_goes_without_a_word()
    {
        _f.Site.SetPolicy(_f.Site.Items(Documents.ConfigurationRequest)[^1], state: "retired");
        await _f.Site.PublishAsync(ClientFixture.Stop);
        _f.Time.Advance(TimeSpan.FromMinutes(6));
        await _f.SettleAsync();
        Assert.True(await MoveAsync(drains: false));
        Assert.Empty(_f.Site.Items(Documents.Departure));
        await _f.CloseAsync();
        await AssertArrivesAsync();
    }

    /// <summary>Another room's table, made by a later script: it was filled for the old site.</summary>
    [Fact]
    public async Task A_table_that_this_code_does_not_know_is_emptied_too()
    {
        _f.Client!.Core.Database.Write(connection => connection.Execute("create table program (id text primary key); create table run (program text references program); insert into program values ('ABC20001'); insert into run values ('ABC20001')"));
        Assert.True(await MoveAsync());
        Assert.Equal(0L, _f.Client.Core.Database.Read(connection => connection.Scalar("select (select count(*) from program) + (select count(*) from run)")));
    }

    private async Task<bool> MoveAsync(int most = 200, bool drains = true, bool leavesBehind = false, string? token = null)
    {
        var text = token ?? _other.Token(_otherPath);
        var move = _f.Client!.Move(new MoveTarget(EnrolmentToken.Decode(text), text, null, null), new MoveTerms(TimeSpan.FromMinutes(1), leavesBehind), _told.Add, _f.Time);
        for (var step = 0; step < most; step++)
        {
            if (await move.StepAsync(ClientFixture.Stop) is not { } pause)
                return true;
            _f.Time.Advance(pause);
            if (drains)
                await _f.Site.DrainAsync(ClientFixture.Stop);
        }
        return false;
    }

    private async Task ReopenAsync()
    {
        await _f.CloseAsync();
        await _f.OpenAsync();
    }

    /// <summary>The old site has everything, in order, and the last word last.</summary>
    private void AssertLeft()
    {
        Assert.Empty(_f.Site.Refused);
        Assert.Equal(Enumerable.Range(1, _f.Site.Applied.Count).Select(n => (long)n), _f.Site.Applied.Select(upload => upload.Sequence));
        Assert.Contains(_f.Site.Items(Documents.StatusMessage), message => message.Text == LastNews);
        Assert.Contains(_f.Site.Applied[^1].Items, item => item.Kind == ItemKind.Departure);
        Assert.Equal("XYZ", _f.Site.Items(Documents.Departure)[^1].SiteCode);
    }

    private async Task AssertArrivesAsync()
    {
        if (_f.Client is null)
            await _f.OpenAsync();
        _seen.Heal();
        _otherSeen.Heal();
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await _other.DrainAsync(ClientFixture.Stop);
        Assert.Equal("XYZ", (await _f.StatusAsync()).SiteCode);
        Assert.Single(_other.Items(Documents.ConfigurationRequest));
        Assert.Empty(_other.Refused);
        Assert.False(Directory.Exists(Path.Combine(_f.Options.Directory, NewIdentity.Folder)));
    }
}
