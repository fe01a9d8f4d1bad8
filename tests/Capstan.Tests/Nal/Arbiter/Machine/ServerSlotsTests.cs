using Capstan.Nal;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Testing;

namespace Capstan.Tests.Nal.Arbiter.Machine;

/// <summary>Locks of one opening exclude those of another as two processes do: what is shown here of one process holds of many.</summary>
public sealed class ServerSlotsTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("capstan-slots-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void A_slot_is_held_once_and_comes_back()
    {
        var (one, two) = (New(), New());
        using (var held = one.TryTake([0]))
        {
            Assert.Equal(0, held!.Number);
            Assert.Null(two.TryTake([0]));
        }
        using var again = two.TryTake([0]);
        Assert.NotNull(again);
    }

    [Fact]
    public void Slots_are_tried_in_the_order_that_is_asked_for()
    {
        using var first = New().TryTake([2, 0, 1]);
        using var second = New().TryTake([2, 0, 1]);
        Assert.Equal((2, 0), (first!.Number, second!.Number));
    }

    [Fact]
    public async Task Those_who_wait_are_served_in_turn_and_nobody_overtakes_them()
    {
        var held = New().TryTake([0])!;
        var served = new List<int>();
        var turns = new List<Task<Slot>>();
        for (var number = 0; number < 5; number++)
        {
            var mine = number;
            turns.Add(Stand(New(), slot =>
            {
                lock (served)
                    served.Add(mine);
                slot.Dispose();
            }));
            // Its ticket is drawn when the line says so.
            await TicketsAsync(number + 1);
        }
        Assert.True(New().IsWanted());
        held.Dispose();
        await Task.WhenAll(turns);
        Assert.Equal([0, 1, 2, 3, 4], served);
        Assert.False(New().IsWanted());
        Assert.Empty(Tickets());
    }

    [Fact]
    public void While_somebody_waits_a_newcomer_gets_no_free_slot_at_once()
    {
        using var one = New().TryTake([0, 1]);
        using var waits = FileLock.TryTake(Path.Combine(_directory.FullName, "fs1%3A445", "waiting"), isShared: true);
        Assert.Null(New().TryTake([0, 1]));
    }

    [Fact]
    public async Task Whoever_leaves_the_line_is_in_nobodys_way()
    {
        var held = New().TryTake([0])!;
        var left = New().StandInLine(1, (_, _) => Assert.Fail("it had left"));
        await TicketsAsync(1);
        var next = Stand(New(), slot => slot.Dispose());
        await TicketsAsync(2);
        left.Dispose();
        held.Dispose();
        await next;
    }

    [Fact]
    public async Task The_tickets_of_the_dead_are_in_nobodys_way()
    {
        var held = New().TryTake([0])!;
        // A dead process leaves its file, and no lock.
        await File.WriteAllTextAsync(Path.Combine(_directory.FullName, "fs1%3A445", "ticket-0000000000000000007"), "", CancellationToken.None);
        var next = Stand(New(), slot => slot.Dispose());
        held.Dispose();
        await next;
        Assert.Empty(Tickets());
    }

    [Theory, InlineData(""), InlineData("x"), InlineData("99999999999999999999")]
    public async Task A_line_that_cannot_be_read_begins_anew_behind_those_who_stand(string line)
    {
        var held = New().TryTake([0])!;
        await File.WriteAllTextAsync(Path.Combine(_directory.FullName, "fs1%3A445", "line"), line, CancellationToken.None);
        var next = Stand(New(), slot => slot.Dispose());
        await TicketsAsync(1);
        held.Dispose();
        await next;
    }

    [Fact]
    public async Task The_first_in_line_takes_whichever_slot_comes_free()
    {
        var zero = New().TryTake([0])!;
        var one = New().TryTake([1])!;
        var got = Stand(New(), _ => { }, budget: 2);
        await TicketsAsync(1);
        one.Dispose();
        using (var slot = await got)
            Assert.Equal(1, slot.Number);
        zero.Dispose();
        // The thread that waited for the other one gives back what it gets.
        using var free = await Stand(New(), _ => { });
        Assert.Equal(0, free.Number);
    }

    [Fact]
    public async Task A_place_that_nobody_wants_any_more_makes_no_holder_hurry_until_somebody_wants_it_again()
    {
        var held = New().TryTake([0])!;
        var line = New();
        var served = new TaskCompletionSource<Slot>(TaskCreationOptions.RunContinuationsAsynchronously);
        var turn = line.StandInLine(1, (slot, _) => served.SetResult(slot!));
        await TicketsAsync(1);
        Assert.True(New().IsWanted());
        turn.SetWanted(false);
        Assert.False(New().IsWanted());
        turn.SetWanted(true);
        Assert.True(New().IsWanted());
        turn.SetWanted(false);
        held.Dispose();
        using var got = await served.Task;
        Assert.Equal(0, got.Number);
    }

    [Fact]
    public void A_slot_whose_file_was_deleted_is_made_again_before_anybody_else_has_it()
    {
        using var held = New().TryTake([0])!;
        Directory.Delete(Path.Combine(_directory.FullName, "fs1%3A445"), recursive: true);
        Assert.Equal(SlotHold.Restored, held.Look());
        Assert.Null(New().TryTake([0]));
        Assert.Equal(SlotHold.Kept, held.Look());
    }

    [Fact]
    public void A_slot_whose_file_was_deleted_is_lost_when_somebody_else_has_it_and_that_is_said_once()
    {
        using var held = New().TryTake([0])!;
        Directory.Delete(Path.Combine(_directory.FullName, "fs1%3A445"), recursive: true);
        using var other = New().TryTake([0]);
        Assert.NotNull(other);
        Assert.Equal((SlotHold.Lost, SlotHold.Kept), (held.Look(), held.Look()));
        Assert.Equal(SlotHold.Kept, other.Look());
    }

    [Fact]
    public async Task Who_waited_for_a_slot_whose_file_was_deleted_gets_the_one_that_is_there_now()
    {
        var held = New().TryTake([0])!;
        var next = Stand(New(), _ => { });
        await TicketsAsync(1);
        File.Delete(Path.Combine(_directory.FullName, "fs1%3A445", "slot-0"));
        held.Dispose();
        using var slot = await next;
        Assert.Equal(SlotHold.Kept, slot.Look());
        Assert.NotNull(FileLock.TryTake(Path.Combine(_directory.FullName, "fs1%3A445", "slot-1")));
        Assert.Null(FileLock.TryTake(Path.Combine(_directory.FullName, "fs1%3A445", "slot-0")));
    }

    [Theory, InlineData("fuseblk"), InlineData("fuse.fuse-overlayfs"), InlineData("ext4"), InlineData("tmpfs")]
    public void A_file_system_of_this_machine_alone_is_used(string fileSystem) => LockTest.Run(_directory.FullName, fileSystem);

    [Theory, InlineData("nfs"), InlineData("cifs"), InlineData("SMB2"), InlineData("fuse"), InlineData("fuse.sshfs"), InlineData("fuse.glusterfs"), InlineData("virtiofs")]
    public void A_file_system_that_other_machines_share_is_refused_by_name(string fileSystem) =>
        Assert.Contains(fileSystem, Assert.Throws<IOException>(() => LockTest.Run(_directory.FullName, fileSystem)).Message, StringComparison.Ordinal);

    [Fact]
    public void Slots_that_cannot_be_made_are_named_with_the_way_out()
    {
        var file = Path.Combine(_directory.FullName, "file");
        File.WriteAllText(file, "");
        var thrown = Assert.Throws<NalException>(() => NalMachine.At(file).Prepare());
        Assert.Equal(NalError.WriteLocal, thrown.Error);
        Assert.Contains("--nal-dir", thrown.Message, StringComparison.Ordinal);
    }

    [Theory, InlineData("fs1:445", "fs1%3A445"), InlineData("..", "%2E."), InlineData(@"DOM\user", "DOM%5Cuser"), InlineData("é", "%C3%A9"), InlineData("a%b", "a%25b")]
    public void A_name_of_anything_is_a_file_name_and_can_be_read_back(string text, string name)
    {
        Assert.Equal(name, SlotFiles.Name(text));
        Assert.Equal(text, SlotFiles.Text(name));
    }

    private ServerSlots New() => new(_directory.FullName, "fs1:445");

    private static Task<Slot> Stand(ServerSlots slots, Action<Slot> use, int budget = 1)
    {
        var served = new TaskCompletionSource<Slot>(TaskCreationOptions.RunContinuationsAsynchronously);
        slots.StandInLine(budget, (slot, failure) =>
        {
            if (failure is not null)
            {
                served.SetException(failure);
                return;
            }
            use(slot!);
            served.SetResult(slot!);
        });
        return served.Task;
    }

    private string[] Tickets() => Directory.GetFiles(Path.Combine(_directory.FullName, "fs1%3A445"), "ticket-*");

    private Task TicketsAsync(int count) => Patience.UntilAsync(() => Tickets().Length >= count);
}
