using System.Buffers.Binary;
using Capstan.Smb;
using Capstan.Smb.Files;
using Capstan.Testing;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Smb.Connection;

/// <summary>What the server, or somebody on the way, must not send: the link ends, and the cause is kept.</summary>
public sealed class TamperingTests
{
    private const int StatusOffset = 8;
    private const int FlagsOffset = 16;

    public static TheoryData<SmbTrickKind, bool, SmbFailure> Tricks => new()
    {
        { SmbTrickKind.Unsigned, false, SmbFailure.Tampered },
        { SmbTrickKind.WrongSignature, false, SmbFailure.Tampered },
        { SmbTrickKind.WrongSignature, true, SmbFailure.Tampered },
        { SmbTrickKind.InClear, true, SmbFailure.Tampered },
        { SmbTrickKind.WrongMessageId, false, SmbFailure.Protocol },
        { SmbTrickKind.WrongMessageId, true, SmbFailure.Protocol },
        { SmbTrickKind.WrongCommand, false, SmbFailure.Protocol },
        { SmbTrickKind.WrongCommand, true, SmbFailure.Protocol },
        { SmbTrickKind.Garbage, false, SmbFailure.Protocol },
        { SmbTrickKind.Garbage, true, SmbFailure.Protocol },
        { SmbTrickKind.OverLong, false, SmbFailure.Protocol },
        { SmbTrickKind.NotOfServer, false, SmbFailure.Protocol },
        { SmbTrickKind.Smb1, false, SmbFailure.Unsupported },
        { SmbTrickKind.CloseBefore, false, SmbFailure.Lost },
        { SmbTrickKind.CloseAfter, true, SmbFailure.Lost },
    };

    [Theory]
    [MemberData(nameof(Tricks))]
    public async Task Misbehaviour_ends_the_link_with_its_cause(SmbTrickKind trick, bool isEncrypted, SmbFailure failure)
    {
        await using var world = await OpenAsync(isEncrypted);
        await using var file = await world.Tree.OpenAsync("a", SmbOpen.Read, CancellationToken.None);
        world.Server.Play(SmbCommand.Read, trick);
        await FailsAsync(world, failure, async () => await file.ReadAsync(0, new byte[3], CancellationToken.None));
    }

    [Fact]
    public async Task An_answer_that_comes_twice_ends_the_link()
    {
        await using var world = await OpenAsync(isEncrypted: false);
        world.Server.Play(SmbCommand.Echo, SmbTrickKind.Twice);
        await world.Connection.EchoAsync(CancellationToken.None);
        await world.Connection.Ended;
        Assert.Equal(SmbFailure.Protocol, world.Connection.EndCause!.Failure);
    }

    [Fact]
    public async Task More_bytes_than_asked_for_are_not_believed()
    {
        await using var world = await OpenAsync(isEncrypted: false);
        await using var file = await world.Tree.OpenAsync("a", SmbOpen.Read, CancellationToken.None);
        world.Server.Play(SmbCommand.Read, SmbTrickKind.TooMuch);
        await FailsAsync(world, SmbFailure.Protocol, async () => await file.ReadAsync(0, new byte[2], CancellationToken.None));
    }

    /// <summary>An answer that says PENDING without being an interim one decides something, so it must be signed; and then it is nonsense.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_forged_pending_does_not_pass_for_an_answer(bool isEncrypted)
    {
        await using var world = await OpenAsync(isEncrypted);
        await using var file = await world.Tree.OpenAsync("a", SmbOpen.Read, CancellationToken.None);
        world.Server.Play(new SmbTrick(SmbCommand.Read, isEncrypted ? SmbTrickKind.AlterBefore : SmbTrickKind.AlterAfter, Alter: answer =>
        {
            BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(StatusOffset), NtStatus.Pending.Code);
            answer[^1] ^= 0x55;
        }));
        await FailsAsync(world, isEncrypted ? SmbFailure.Protocol : SmbFailure.Tampered, async () => await file.ReadAsync(0, new byte[3], CancellationToken.None));
    }

    [Fact]
    public async Task A_changed_byte_is_noticed_wherever_it_is()
    {
        // Not the message's own length, which is the frame's, but every byte of an answer to READ.
        for (var at = 0; at < 64 + 16 + 3; at++)
        {
            var where = at;
            await using var world = await OpenAsync(isEncrypted: false);
            await using var file = await world.Tree.OpenAsync("a", SmbOpen.Read, CancellationToken.None);
            world.Server.Play(new SmbTrick(SmbCommand.Read, SmbTrickKind.AlterAfter, Alter: answer => answer[where] ^= 0x40));
            var thrown = await Assert.ThrowsAnyAsync<SmbException>(async () => await file.ReadAsync(0, new byte[3], CancellationToken.None));
            Assert.True(thrown.Failure is SmbFailure.Tampered or SmbFailure.Protocol, $"byte {at}: {thrown.Failure}: {thrown.Message}");
            Assert.NotNull(world.Connection.EndCause);
        }
    }

    [Fact]
    public async Task A_changed_negotiate_is_noticed_at_the_first_share_of_3_0_2()
    {
        await using var world = await SmbWorld.ConnectAsync(rules =>
        {
            rules.Most = SmbDialect.Smb302;
        });
        world.Server.Play(new SmbTrick(SmbCommand.Ioctl, SmbTrickKind.AlterBefore, Alter: answer => answer[64 + 48 + 22] ^= 1));
        var session = await world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None);
        await FailsAsync(world, SmbFailure.Tampered, async () => await session.ConnectTreeAsync("data", CancellationToken.None));
    }

    [Theory]
    [InlineData(SmbDialect.Smb300, 64 + 24)]        // capabilities: encryption taken away
    [InlineData(SmbDialect.Smb302, 64 + 2)]         // security mode
    [InlineData(SmbDialect.Smb302, 64 + 8)]         // server id
    public async Task Who_changes_the_answer_to_negotiate_is_found_out(SmbDialect dialect, int at)
    {
        await using var world = await ConnectTamperedAsync(dialect, answer => answer[at] ^= 0x40);
        var session = await world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None);
        await FailsAsync(world, SmbFailure.Tampered, async () => await session.ConnectTreeAsync("data", CancellationToken.None));
    }

    [Theory]
    [InlineData(64 + 2)]
    [InlineData(64 + 8)]
    [InlineData(64 + 40)]
    public async Task Who_changes_the_answer_to_negotiate_cannot_make_the_keys_of_3_1_1(int at)
    {
        await using var world = await ConnectTamperedAsync(SmbDialect.Smb311, answer => answer[at] ^= 0x40);
        await FailsAsync(world, SmbFailure.Tampered, async () => await world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None));
    }

    [Fact]
    public async Task A_server_that_will_not_confirm_what_it_negotiated_is_not_believed()
    {
        await using var world = await SmbWorld.ConnectAsync(rules => rules.Most = SmbDialect.Smb302);
        world.Server.Play(new SmbTrick(SmbCommand.Ioctl, SmbTrickKind.Refuse, Status: NtStatus.InvalidDeviceRequest));
        var session = await world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None);
        await FailsAsync(world, SmbFailure.Tampered, async () => await session.ConnectTreeAsync("data", CancellationToken.None));
    }

    [Theory]
    [InlineData(SmbTrickKind.Unsigned)]
    [InlineData(SmbTrickKind.WrongSignature)]
    public async Task A_last_answer_of_the_logon_without_the_right_signature_is_not_believed(SmbTrickKind trick)
    {
        await using var world = await SmbWorld.ConnectAsync();
        world.Server.Play(SmbCommand.SessionSetup, trick, nth: 2);
        await FailsAsync(world, SmbFailure.Tampered, async () => await world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None));
    }

    [Fact]
    public async Task Replaying_an_interim_answer_decides_nothing()
    {
        await using var world = await OpenAsync(isEncrypted: false);
        await using var file = await world.Tree.OpenAsync("a", SmbOpen.Read, CancellationToken.None);
        world.Server.Play(SmbCommand.Read, SmbTrickKind.Interim);
        Assert.Equal(3, await file.ReadAsync(0, new byte[3], CancellationToken.None));
    }

    private static async Task<SmbWorld> OpenAsync(bool isEncrypted)
    {
        var world = await SmbWorld.OpenAsync(options: options => options with { Encryption = isEncrypted ? SmbEncryption.Required : SmbEncryption.OnDemand });
        world.Server.Files.Add("a", [1, 2, 3]);
        return world;
    }

    private static Task<SmbWorld> ConnectTamperedAsync(SmbDialect dialect, Action<byte[]> alter) =>
        SmbWorld.ConnectAsync(rules => rules.Most = dialect, prepare: server => server.Play(new SmbTrick(SmbCommand.Negotiate, SmbTrickKind.AlterAfter, Alter: alter)));

    private static async Task FailsAsync(SmbWorld world, SmbFailure failure, Func<Task> act)
    {
        var thrown = await Assert.ThrowsAnyAsync<SmbException>(act);
        Assert.Equal(failure, thrown.Failure);
        await world.Connection.Ended.WaitAsync(Patience.Limit, TimeProvider.System, CancellationToken.None);
        Assert.Equal(failure, world.Connection.EndCause!.Failure);
        var later = await Assert.ThrowsAnyAsync<SmbException>(async () => await world.Connection.EchoAsync(CancellationToken.None));
        Assert.Equal((failure, SmbCompletion.NotSent), (later.Failure, later.Completion));
    }
}
