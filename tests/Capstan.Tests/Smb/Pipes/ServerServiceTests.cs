using System.Buffers.Binary;
using Capstan.Smb;
using Capstan.Smb.Pipes;

namespace Capstan.Tests.Smb.Pipes;

public sealed class ServerServiceTests
{
    [Fact]
    public async Task Sessions_are_told_at_the_richest_level_that_the_server_gives()
    {
        var asked = new List<uint>();
        await using var service = await ServiceAsync((_, stub) =>
        {
            var level = LevelOf(stub);
            asked.Add(level);
            return level == 1 ? Recorded.SessionEnumAnswer : Refusal(level, Win32Error.InvalidLevel);
        });
        Assert.Equal("capa", Assert.Single(await service.ListSessionsAsync(default)).User);
        Assert.Equal([502u, 1u], asked);
    }

    [Fact]
    public async Task A_refusal_of_every_level_names_the_right_that_is_missing()
    {
        await using var service = await ServiceAsync((_, stub) => Refusal(LevelOf(stub), LevelOf(stub) == 1 ? Win32Error.AccessDenied : Win32Error.InvalidLevel));
        var refusal = await Assert.ThrowsAsync<SmbRpcException>(async () => await service.ListSessionsAsync(default));
        Assert.Equal(Win32Error.AccessDenied, refusal.Error);
        Assert.Equal((SmbFailure.Status, NtStatus.AccessDenied, SmbCompletion.Refused), (refusal.Failure, refusal.Status, refusal.Completion));
        Assert.Contains("ERROR_ACCESS_DENIED (5)", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("Administrators", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_error_is_not_hidden_by_poorer_levels()
    {
        await using var service = await ServiceAsync((_, stub) => Refusal(LevelOf(stub), new Win32Error(8)));
        var refusal = await Assert.ThrowsAsync<SmbRpcException>(async () => await service.ListSessionsAsync(default));
        Assert.Equal(new Win32Error(8), refusal.Error);
        Assert.Equal(new NtStatus(0xC0070008), refusal.Status);
    }

    [Fact]
    public async Task A_list_in_portions_is_one_list()
    {
        var resumes = new List<uint>();
        await using var service = await ServiceAsync((_, stub) =>
        {
            resumes.Add(BinaryPrimitives.ReadUInt32LittleEndian(stub.AsSpan(stub.Length - 4)));
            return Page(resumes.Count, resumes.Count < 3 ? Win32Error.MoreData : Win32Error.Success);
        });
        Assert.Equal(["cap", "cap", "cap"], (await service.ListSharesAsync(default)).Select(share => share.Name));
        Assert.Equal([0u, 1u, 2u], resumes);
    }

    [Fact]
    public async Task A_server_that_has_more_and_does_not_go_on_is_refused()
    {
        await using var service = await ServiceAsync((_, _) => Page(0, Win32Error.MoreData));
        await Assert.ThrowsAsync<SmbProtocolException>(async () => await service.ListSharesAsync(default));
    }

    [Fact]
    public async Task Closing_a_session_needs_a_client_or_a_user()
    {
        await using var service = await ServiceAsync((_, _) => [0, 0, 0, 0]);
        await Assert.ThrowsAsync<ArgumentException>(async () => await service.CloseSessionAsync(null, null, default));
        await service.CloseSessionAsync("PC1", null, default);
    }

    [Fact]
    public async Task Closing_a_session_that_is_not_there_says_so()
    {
        await using var service = await ServiceAsync((_, _) => BitConverter.GetBytes(Win32Error.ClientNameNotFound.Code));
        var refusal = await Assert.ThrowsAsync<SmbRpcException>(async () => await service.CloseSessionAsync("PC1", "capa", default));
        Assert.Equal(Win32Error.ClientNameNotFound, refusal.Error);
        Assert.Contains("PC1", refusal.Message, StringComparison.Ordinal);
    }

    private static ValueTask<ServerService> ServiceAsync(Func<ushort, byte[], byte[]> server) => ServerService.BindAsync(
        new ScriptedPipe(fragments =>
        {
            if (RpcServer.IsBind(fragments))
                return Recorded.BindAck;
            var operation = BinaryPrimitives.ReadUInt16LittleEndian(fragments[0].AsSpan(22));
            return RpcServer.Answer(RpcServer.CallId(fragments[0]), server(operation, RpcServer.Stub(fragments, operation, 4280)), 1000);
        }),
        "FS1", default);

    /// <summary>The level in the arguments of NetrSessionEnum, which begin with the text <c>\\FS1</c> and two null pointers.</summary>
    private static uint LevelOf(byte[] stub) => BinaryPrimitives.ReadUInt32LittleEndian(stub.AsSpan(36));

    private static byte[] Refusal(uint level, Win32Error error) =>
        new NdrWriter().UInt32(level).UInt32(level).Pointer().UInt32(0).Null().UInt32(0).Null().UInt32(error.Code).Written.ToArray();

    /// <summary>One share, and where to go on.</summary>
    private static byte[] Page(int resume, Win32Error error) =>
        [.. Recorded.ShareEnumAnswer[..^8], .. new NdrWriter().Pointer().UInt32((uint)resume).UInt32(error.Code).Written.Span];
}
