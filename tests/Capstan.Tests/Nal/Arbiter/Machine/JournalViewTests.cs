using Capstan.Nal;
using Capstan.Nal.Arbiter.Journal;
using Capstan.Nal.Arbiter.Machine;

namespace Capstan.Tests.Nal.Arbiter.Machine;

/// <summary>What people see of the journal, and the one thing that they may do to it.</summary>
public sealed class JournalViewTests : IDisposable
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("capstan-journal-");
    private readonly NalMachine _machine;

    public JournalViewTests()
    {
        _machine = NalMachine.At(_directory.FullName);
        _machine.Prepare();
    }

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void A_machine_that_used_no_server_has_an_empty_journal() => Assert.Empty(_machine.Connections(Noon));

    [Fact]
    public void A_connection_in_use_shows_its_holders_and_cannot_be_dropped()
    {
        using var journal = new ConnectionJournal(_machine);
        journal.Create(Record(journal) with { Holders = ["CCIM"], ReferenceCount = 1 });
        var shown = Assert.Single(_machine.Connections(Noon));
        Assert.Equal(("DOM%5Ccapa/Resource0", "open", 1, "CCIM", "00000000000000ff"), (shown.Record, shown.State, shown.ReferenceCount, shown.Holders[0], shown.SessionId));
        var thrown = Assert.Throws<NalException>(() => _machine.Drop(shown.Record, Noon));
        Assert.Equal(NalError.Conflict, thrown.Error);
        Assert.Contains("in use by process 4711 (CCIM)", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_its_owner_left_is_a_ghost_and_can_be_dropped_which_is_written_down()
    {
        using (var journal = new ConnectionJournal(_machine))
            journal.Create(Record(journal));
        var ghost = Assert.Single(_machine.Connections(Noon));
        Assert.Equal(("ghost", "ended by the next logon of DOM\\capa at this server"), (ghost.State, ghost.NextStep));
        _machine.Drop(ghost.Record, Noon);
        Assert.Equal("abandoned", Assert.Single(_machine.Connections(Noon)).State);
        var line = File.ReadAllText(Path.Combine(_machine.Journal, "dropped.log"));
        Assert.StartsWith("2026-11-22T12:00:00.0000000+00:00 ", line, StringComparison.Ordinal);
        Assert.Contains("dropped DOM%5Ccapa/Resource0: fs1:445, session ff", line, StringComparison.Ordinal);
    }

    [Theory, InlineData("nobody/Resource0"), InlineData("../../etc/passwd"), InlineData("")]
    public void A_record_that_is_not_there_is_not_found(string name) =>
        Assert.Equal(NalError.NotFound, Assert.Throws<NalException>(() => _machine.Drop(name, Noon)).Error);

    [Fact]
    public void Records_of_one_account_have_numbers_and_a_free_one_is_taken_again()
    {
        using var journal = new ConnectionJournal(_machine);
        var first = journal.Create(Record(journal));
        journal.Create(Record(journal));
        first.Delete();
        journal.Create(Record(journal));
        Assert.Equal(["DOM%5Ccapa/Resource0", "DOM%5Ccapa/Resource1"], _machine.Connections(Noon).Select(shown => shown.Record));
    }

    [Fact]
    public void What_another_settled_meanwhile_or_uses_again_is_not_touched()
    {
        using var journal = new ConnectionJournal(_machine);
        var lost = journal.Create(Record(journal));
        lost.Dispose();
        var read = Assert.Single(ConnectionJournal.Read(_machine));
        Assert.True(ConnectionJournal.Change(read, next: null));
        Assert.False(ConnectionJournal.Change(read, next: null));
        journal.Create(Record(journal) with { Session = 4711 });
        Assert.False(ConnectionJournal.Change(read, next: null));
        Assert.Equal("open", Assert.Single(_machine.Connections(Noon)).State);
    }

    [Fact]
    public async Task Whoever_looks_at_a_ghost_is_not_in_the_way_of_its_end()
    {
        using var journal = new ConnectionJournal(_machine);
        journal.Create(Record(journal)).Dispose();
        var ghost = Assert.Single(ConnectionJournal.Read(_machine));
        var looks = FileLock.TryTake(ghost.File, isShared: true)!;
        var ending = Task.Run(() => ConnectionJournal.Change(ghost, next: null), CancellationToken.None);
        looks.Dispose();
        Assert.True(await ending);
    }

    [Fact]
    public void A_file_that_was_made_and_not_written_holds_no_connection()
    {
        using var journal = new ConnectionJournal(_machine);
        journal.Create(Record(journal)).Delete();
        File.WriteAllText(Path.Combine(_machine.Journal, "Connections", "DOM%5Ccapa", "Deviceless", "Resource0"), "");
        Assert.Empty(_machine.Connections(Noon));
        journal.Create(Record(journal));
        Assert.Equal("DOM%5Ccapa/Resource0", Assert.Single(_machine.Connections(Noon)).Record);
    }

    [Fact]
    public void A_record_that_became_shorter_shows_nothing_of_what_it_was()
    {
        using var journal = new ConnectionJournal(_machine);
        var file = journal.Create(Record(journal) with { Holders = [.. Enumerable.Range(0, 300).Select(number => $"component{number}")] });
        file.Write(file.Record with { Holders = ["one"] }, isDurable: true);
        Assert.Equal("one", Assert.Single(Assert.Single(_machine.Connections(Noon)).Holders));
    }

    [Fact]
    public void A_record_of_a_machine_that_tells_little_of_itself_is_read_as_it_was_written()
    {
        using var journal = new ConnectionJournal(_machine);
        MachineEvidence[] machines = [new([]), new(["m1"], "id"), new([], Product: "product"), MachineEvidence.Read()];
        foreach (var machine in machines)
            journal.Create(Record(journal) with { Machine = machine });
        Assert.All(ConnectionJournal.Read(_machine).Zip(machines), pair =>
        {
            Assert.Equal("", pair.First.Problem);
            var read = pair.First.Record!.Machine!;
            Assert.Equal((pair.Second.Id, pair.Second.Product), (read.Id, read.Product));
            Assert.Equal(pair.Second.Addresses, read.Addresses);
        });
    }

    [Fact]
    public void A_record_of_another_version_is_not_guessed_at()
    {
        using var journal = new ConnectionJournal(_machine);
        var left = journal.Create(Record(journal));
        var path = FileOf(left);
        left.Dispose();
        File.WriteAllBytes(path, RecordText.Write(Record(journal) with { Format = ConnectionRecord.CurrentFormat + 1 }));
        var shown = Assert.Single(_machine.Connections(Noon));
        Assert.Equal("unreadable", shown.State);
        Assert.Contains("another version of Capstan", shown.NextStep, StringComparison.Ordinal);
    }

    /// <summary>One block, padded to 2,048 bytes.</summary>
    [Fact]
    public void A_record_of_the_first_format_is_read_and_its_file_used_again()
    {
        using var journal = new ConnectionJournal(_machine);
        var left = journal.Create(Record(journal));
        var path = FileOf(left);
        left.Dispose();
        var text = RecordText.Write(Record(journal) with { Format = 1 });
        File.WriteAllBytes(path, text[..2_048]);
        var ghost = Assert.Single(ConnectionJournal.Read(_machine));
        Assert.Equal((1, 255ul, true), (ghost.Record!.Format, ghost.Record.Session!.Value, ghost.IsGhost));
        Assert.True(ConnectionJournal.Change(ghost, next: null));
        journal.Create(Record(journal) with { Session = 4711 });
        var next = Assert.Single(ConnectionJournal.Read(_machine));
        Assert.Equal(("DOM%5Ccapa/Resource0", 2, 4711ul), (next.Name, next.Record!.Format, next.Record.Session!.Value));
    }

    /// <summary>A power cut may leave any part of the last write, and of those that were not flushed, and nothing of others.</summary>
    [Fact]
    public void Whatever_a_power_cut_leaves_of_the_last_write_the_session_that_was_flushed_is_read()
    {
        using var journal = new ConnectionJournal(_machine);
        var file = journal.Create(Record(journal) with { Session = null, State = "connecting" });
        var path = FileOf(file);
        file.Write(file.Record with { Session = 4711, State = "open" }, isDurable: true);
        var flushed = Content(path);
        for (var count = 1; count <= 3; count++)
        {
            file.Write(file.Record with { ReferenceCount = count, Holders = [.. Enumerable.Range(0, count * 100).Select(number => $"component{number}")] }, isDurable: false);
            var written = Content(path);
            Assert.True(written.Length <= RecordText.LongestBytes);
            // 512 bytes are what a disk writes in one go.
            for (var sectors = 0; sectors * 512 < written.Length; sectors++)
            {
                var torn = Enumerable.Range(0, written.Length).Select(at => at / 512 < sectors ? written[at] : at < flushed.Length ? flushed[at] : (byte)0).ToArray();
                Assert.True(RecordText.TryRead(torn, out var record, out _, out var problem), problem);
                Assert.Equal(4711ul, record.Session);
                var backwards = Enumerable.Range(0, written.Length).Select(at => at / 512 >= sectors ? written[at] : at < flushed.Length ? flushed[at] : (byte)0).ToArray();
                Assert.True(RecordText.TryRead(backwards, out record, out _, out problem), problem);
                Assert.Equal(4711ul, record.Session);
            }
        }
    }

    [Fact]
    public async Task Whoever_reads_while_its_owner_writes_finds_a_whole_record()
    {
        using var journal = new ConnectionJournal(_machine);
        var file = journal.Create(Record(journal));
        using var enough = new CancellationTokenSource();
        var writing = Task.Run(() =>
        {
            for (var count = 0; !enough.IsCancellationRequested; count++)
                file.Write(file.Record with { ReferenceCount = count, Holders = [.. Enumerable.Range(0, count % 20).Select(number => $"component{number}")] }, isDurable: count % 50 == 0);
        }, CancellationToken.None);
        for (var look = 0; look < 300; look++)
        {
            var entry = Assert.Single(ConnectionJournal.Read(_machine));
            Assert.Equal(("", true), (entry.Problem, entry.IsOwned));
        }
        await enough.CancelAsync();
        await writing;
    }

    /// <summary>Else the next connection to that server would be opened beside what the ghost left there.</summary>
    [Fact]
    public async Task A_ghost_is_one_also_while_others_look_for_a_free_file()
    {
        using var journal = new ConnectionJournal(_machine);
        journal.Create(Record(journal)).Dispose();
        using var other = new ConnectionJournal(_machine);
        using var enough = new CancellationTokenSource();
        var creating = Task.Run(() =>
        {
            while (!enough.IsCancellationRequested)
                other.Create(Record(other) with { Server = "fs2:445" }).Delete();
        }, CancellationToken.None);
        for (var look = 0; look < 300; look++)
            Assert.True(journal.Read().Single(entry => entry.Record?.Server == "fs1:445").IsGhost);
        await enough.CancelAsync();
        await creating;
    }

    [Fact]
    public void A_record_on_a_full_disk_is_not_written_and_said_to_be()
    {
        using var journal = new ConnectionJournal(_machine);
        var path = FileOf(journal.Create(Record(journal)));
        File.CreateSymbolicLink(path.Replace("Resource0", "Resource1", StringComparison.Ordinal), "/dev/full");
        Assert.Contains("No space left", Assert.ThrowsAny<IOException>(() => journal.Create(Record(journal))).Message, StringComparison.Ordinal);
    }

    private string FileOf(RecordFile file) => ConnectionJournal.Read(_machine).Single(entry => entry.Record!.Opened == file.Record.Opened).File;

    /// <summary>Without the lock that the base library would take.</summary>
    private static byte[] Content(string path)
    {
        using var file = FileLock.OpenWithout(path)!;
        return RecordBlocks.ReadAll(file);
    }

    private static ConnectionRecord Record(ConnectionJournal journal) => new()
    {
        Path = @"MSWNET:\\fs1\cap\",
        Server = "fs1:445",
        Account = @"DOM\capa",
        Session = 255,
        Slot = 0,
        Owner = journal.Owner,
        Process = 4711,
        ProcessStart = Noon,
        Boot = "a start",
        Opened = Noon,
        LastUsed = Noon,
        State = "open",
        NextStep = "closes after its last lease",
    };
}
