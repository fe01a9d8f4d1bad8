using System.Buffers.Binary;
using Capstan.Smb;
using Capstan.Testing.Smb;

namespace Capstan.ServerTests.Smb;

/// <summary>A real server behind a link that delays, splits, cuts, repeats and lies.</summary>
public sealed class FaultTests(SharedSamba shared) : IClassFixture<SharedSamba>
{
    private const uint NotAccepted = 0xC00000D0;
    private static readonly SmbOptions Plain = SmbOptions.Default with { Encryption = SmbEncryption.OnDemand };

    [Fact]
    public async Task Delay_changes_nothing()
    {
        var samba = await shared.ServerAsync();
        await using var proxy = Proxy(samba);
        proxy.Requests = proxy.Answers = Faults.Delay(TimeSpan.FromMilliseconds(3));
        await using var client = await Client.OpenAsync(samba, port: proxy.Port);
        await Exercise.AllAsync(client.Tree);
    }

    [Theory]
    [InlineData(SmbEncryption.OnDemand)]
    [InlineData(SmbEncryption.Required)]
    public async Task Bytes_that_come_one_by_one_are_put_together(SmbEncryption encryption)
    {
        var samba = await shared.ServerAsync();
        await using var proxy = Proxy(samba);
        proxy.Requests = proxy.Answers = Faults.SplitEveryByte;
        await using var client = await Client.OpenAsync(samba, port: proxy.Port, options: SmbOptions.Default with { Encryption = encryption });
        var content = new byte[700];
        new Random(7).NextBytes(content);
        await client.Tree.ReplaceAsync($"~split{encryption}", $"split{encryption}", content, flush: false, default);
        Assert.Equal(content, (await client.Tree.ReadAllAsync($"split{encryption}", 1000, default)).Bytes);
        Assert.Contains($"split{encryption}", await Exercise.NamesAsync(client.Tree, ""));
    }

    [Theory]
    [InlineData(nameof(LinkFate.Closes))]
    [InlineData(nameof(LinkFate.Resets))]
    public async Task A_link_cut_after_any_number_of_bytes_is_lost_or_closed_at_once(string how)
    {
        var fate = Enum.Parse<LinkFate>(how);
        var samba = await shared.ServerAsync();
        await using var proxy = Proxy(samba);
        var whole = 0L;
        proxy.Answers = frame =>
        {
            whole = frame.OffsetBytes + frame.Bytes.Length;
            return FrameFate.Pass(frame);
        };
        var attempt = 0;
        await WriteAsync();
        var first = 0;
        foreach (var bytes in Enumerable.Range(0, 24).Select(i => i * (whole - 200) / 24))
        {
            proxy.Answers = Faults.After(bytes, fate);
            var failure = await Client.FailureAsync(WriteAsync);
            Assert.True(failure.Failure is SmbFailure.Lost or SmbFailure.ClosedAtOnce, $"after {bytes} of {whole} bytes: {failure}");
            first += failure.Failure == SmbFailure.ClosedAtOnce ? 1 : 0;
        }
        Assert.InRange(first, 1, 23);
        await samba.StatusAsync(status => status.IsEmpty);
        Assert.Equal(2000, new FileInfo(Path.Combine(samba.FolderOf("cap"), $"cut{fate}")).Length);

        async Task WriteAsync()
        {
            await using var client = await Client.OpenAsync(samba, port: proxy.Port, options: Plain);
            await client.Tree.ReplaceAsync($"~cut{fate}{attempt++}", $"cut{fate}", new byte[2000], flush: false, default);
            await client.Tree.ReadAllAsync($"cut{fate}", 10_000, default);
            await client.Session.LogOffAsync(default);
        }
    }

    [Theory]
    [InlineData(0, SmbFailure.Silent)]
    [InlineData(1, SmbFailure.Silent)]
    [InlineData(3, SmbFailure.Silent)]
    [InlineData(5, SmbFailure.Silent)]
    public async Task A_server_that_falls_silent_at_any_command_is_silent(int command, SmbFailure expected)
    {
        var samba = await shared.ServerAsync();
        await using var proxy = Proxy(samba);
        proxy.Answers = Faults.At((ushort)command, 1, LinkFate.Silent);
        var options = Plain with { ConnectTimeout = Client.Short, KeepAlive = Client.Short };
        var failure = await Client.FailureAsync(async () =>
        {
            await using var client = await Client.OpenAsync(samba, port: proxy.Port, options: options);
            await client.Tree.StatAsync("", default);
        });
        Assert.Equal(expected, failure.Failure);
        Assert.Equal(command, failure.Command!.Value.Code);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(5)]
    public async Task An_answer_that_comes_twice_ends_the_connection(int command)
    {
        var samba = await shared.ServerAsync();
        await using var proxy = Proxy(samba);
        proxy.Answers = frame => frame.Command == command ? Faults.Twice(frame) : FrameFate.Pass(frame);
        var failure = await Client.FailureAsync(async () =>
        {
            await using var client = await Client.OpenAsync(samba, port: proxy.Port, options: Plain);
            await client.Tree.StatAsync("", default);
            await client.Connection.Ended;
            throw client.Connection.EndCause!;
        });
        Assert.Equal(SmbFailure.Protocol, failure.Failure);
    }

    [Fact]
    public async Task A_request_that_arrives_twice_is_not_done_twice()
    {
        var samba = await shared.ServerAsync();
        await using var proxy = Proxy(samba);
        await using var client = await Client.OpenAsync(samba, port: proxy.Port, options: Plain);
        proxy.Requests = Faults.Twice;
        await Client.FailureAsync(async () =>
        {
            await client.Tree.StatAsync("", default);
            await client.Connection.Ended; // the server ends a link with a message id that it had before
            throw client.Connection.EndCause!;
        });
    }

    [Theory]
    [InlineData(SmbDialect.Smb202)]
    [InlineData(SmbDialect.Smb302)]
    [InlineData(SmbDialect.Smb311)]
    public async Task A_logon_answered_with_request_not_accepted_is_that_status(SmbDialect most)
    {
        var samba = await shared.ServerAsync();
        await using var proxy = Proxy(samba);
        proxy.Answers = Faults.Forge(SmbCommand.SessionSetup.Code, 2, NotAccepted);
        var failure = await Client.FailureAsync(() => Client.OpenAsync(samba, port: proxy.Port, options: Plain with { Most = most }));
        Assert.Equal((SmbFailure.Status, NtStatus.RequestNotAccepted, SmbCommand.SessionSetup, SmbCompletion.Refused), (failure.Failure, failure.Status, failure.Command, failure.Completion));
        proxy.Answers = Faults.Forge(SmbCommand.SessionSetup.Code, 1, NotAccepted);
        failure = await Client.FailureAsync(() => Client.OpenAsync(samba, port: proxy.Port, options: Plain with { Most = most }));
        Assert.Equal(NtStatus.RequestNotAccepted, failure.Status);
        proxy.Answers = FrameFate.Pass;
        await using var client = await Client.OpenAsync(samba, port: proxy.Port, options: Plain with { Most = most });
        await client.Connection.EchoAsync(default);
    }

    [Theory]
    [InlineData(SmbDialect.Smb202, true)]
    [InlineData(SmbDialect.Smb302, true)]
    [InlineData(SmbDialect.Smb311, true)]
    [InlineData(SmbDialect.Smb311, false)]
    public async Task A_forged_answer_to_a_tree_connect_is_tampering_where_it_must_be_signed(SmbDialect most, bool requireSigning)
    {
        var samba = await shared.ServerAsync();
        await using var proxy = Proxy(samba);
        proxy.Answers = Faults.Forge(SmbCommand.TreeConnect.Code, 1, NotAccepted);
        var failure = await Client.FailureAsync(() => Client.OpenAsync(samba, port: proxy.Port, options: Plain with { Most = most, RequireSigning = requireSigning }));
        Assert.Equal(SmbFailure.Tampered, failure.Failure);
        Assert.Equal(SmbCommand.TreeConnect, failure.Command);
    }

    [Fact]
    public async Task An_unsigned_session_believes_what_it_is_told_about_a_tree()
    {
        var samba = await shared.ServerAsync();
        await using var proxy = Proxy(samba);
        proxy.Answers = Faults.Forge(SmbCommand.TreeConnect.Code, 1, NotAccepted);
        var failure = await Client.FailureAsync(() => Client.OpenAsync(samba, port: proxy.Port, options: Plain with { Most = SmbDialect.Smb210, RequireSigning = false }));
        Assert.Equal((SmbFailure.Status, NtStatus.RequestNotAccepted, SmbCommand.TreeConnect), (failure.Failure, failure.Status, failure.Command));
    }

    [Theory]
    [InlineData(SmbDialect.Smb202, SmbEncryption.OnDemand)]
    [InlineData(SmbDialect.Smb300, SmbEncryption.OnDemand)]
    [InlineData(SmbDialect.Smb311, SmbEncryption.OnDemand)]
    [InlineData(SmbDialect.Smb300, SmbEncryption.Required)]
    [InlineData(SmbDialect.Smb311, SmbEncryption.Required)]
    public async Task One_changed_bit_in_an_answer_is_tampering_and_ends_the_connection(SmbDialect most, SmbEncryption encryption)
    {
        var samba = await shared.ServerAsync();
        await using var proxy = Proxy(samba);
        await using var client = await Client.OpenAsync(samba, port: proxy.Port, options: SmbOptions.Default with { Most = most, Encryption = encryption });
        proxy.Answers = frame => Faults.Flip(frame.Command, frame.CommandCount)(frame);
        var failure = await Client.FailureAsync(async () => await client.Tree.StatAsync("", default));
        Assert.Equal(SmbFailure.Tampered, failure.Failure);
        await client.Connection.Ended;
        Assert.Equal(SmbFailure.Tampered, client.Connection.EndCause!.Failure);
    }

    [Theory]
    [InlineData(SmbDialect.Smb311, SmbDialect.Smb302)]
    [InlineData(SmbDialect.Smb311, SmbDialect.Smb210)]
    [InlineData(SmbDialect.Smb302, SmbDialect.Smb300)]
    [InlineData(SmbDialect.Smb302, SmbDialect.Smb202)]
    public async Task A_request_to_negotiate_that_was_weakened_on_the_way_gives_no_share(SmbDialect most, SmbDialect left)
    {
        var samba = await shared.ServerAsync();
        await using var proxy = Proxy(samba);
        proxy.Requests = frame => frame.Command == SmbCommand.Negotiate.Code ? new([Weakened(frame.Bytes.ToArray(), left)]) : FrameFate.Pass(frame);
        var failure = await Client.FailureAsync(() => Client.OpenAsync(samba, port: proxy.Port, options: Plain with { Most = most }));
        // The server finds out first, and then must end the link without a word ([MS-SMB2] 3.3.5.15.12).
        Assert.True(failure.Failure is SmbFailure.Lost or SmbFailure.Tampered, failure.ToString());
    }

    [Theory]
    [InlineData(SmbDialect.Smb300)]
    [InlineData(SmbDialect.Smb302)]
    [InlineData(SmbDialect.Smb311)]
    public async Task An_answer_to_negotiate_that_was_weakened_on_the_way_is_tampering(SmbDialect most)
    {
        var samba = await shared.ServerAsync();
        await using var proxy = Proxy(samba);
        proxy.Answers = frame => frame.Command == SmbCommand.Negotiate.Code ? new([Incapable(frame.Bytes.ToArray())]) : FrameFate.Pass(frame);
        var failure = await Client.FailureAsync(() => Client.OpenAsync(samba, port: proxy.Port, options: Plain with { Most = most }));
        Assert.Equal(SmbFailure.Tampered, failure.Failure);
    }

    /// <summary>The server can no longer do multi-credit requests, it seems ([MS-SMB2] 2.2.4).</summary>
    private static byte[] Incapable(byte[] frame)
    {
        frame[SmbFrame.PrefixBytes + SmbFrame.HeaderBytes + 24] ^= 4;
        return frame;
    }

    /// <summary>Every dialect above <paramref name="left"/> is replaced by the lowest ([MS-SMB2] 2.2.3).</summary>
    private static byte[] Weakened(byte[] frame, SmbDialect left)
    {
        var body = frame.AsSpan(SmbFrame.PrefixBytes + SmbFrame.HeaderBytes);
        var count = BinaryPrimitives.ReadUInt16LittleEndian(body[2..]);
        for (var dialects = body.Slice(36, count * 2); dialects.Length > 0; dialects = dialects[2..])
        {
            if (BinaryPrimitives.ReadUInt16LittleEndian(dialects) > (int)left)
                BinaryPrimitives.WriteUInt16LittleEndian(dialects, (ushort)SmbDialect.Smb202);
        }
        return frame;
    }

    private static FaultProxy Proxy(SambaServer samba) => new(samba.Port, TimeProvider.System);
}
