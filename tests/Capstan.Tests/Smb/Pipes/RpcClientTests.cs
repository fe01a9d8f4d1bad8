using Capstan.Smb;
using Capstan.Smb.Pipes;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Smb.Pipes;

public sealed class RpcClientTests
{
    private const ushort Operation = 15;
    private const int AgreedBytes = 4280;

    [Fact]
    public void A_bind_is_that_of_another_client_but_for_the_size_of_fragments()
    {
        var expected = Recorded.Bind;
        (expected[16], expected[17], expected[18], expected[19]) = (0xD0, 0x16, 0xD0, 0x16); // 5840
        Assert.Equal(expected, RpcPdu.Bind(1, SrvsMessages.Interface));
    }

    [Fact]
    public void Any_arguments_and_results_cross_in_any_fragments_and_portions() =>
        Prop.ForAll(Gen.Choose(0, 20_000).Four().ToArbitrary(), sizes =>
        {
            var (arguments, results, fragment, portion) = sizes;
            byte[] sent = Bytes(arguments, 1), given = Bytes(results, 2), received = [];
            var pipe = new ScriptedPipe(Bound(fragments =>
            {
                received = RpcServer.Stub(fragments, Operation, AgreedBytes);
                return RpcServer.Answer(RpcServer.CallId(fragments[0]), given, (fragment % (AgreedBytes - 24)) + 1);
            }), (portion % 6000) + 1);
            var got = CallAsync(pipe, sent).AsTask().GetAwaiter().GetResult();
            return got.AsSpan().SequenceEqual(given) && received.AsSpan().SequenceEqual(sent);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));

    [Fact]
    public async Task A_fault_carries_its_code_and_the_next_call_may_be_made()
    {
        var faults = 1;
        var pipe = new ScriptedPipe(Bound(fragments => faults-- > 0
            ? RpcServer.Pdu(RpcServer.Fault, 3, RpcServer.CallId(fragments[0]), [0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x00, 0x01, 0x1C, 0, 0, 0, 0])
            : RpcServer.Answer(RpcServer.CallId(fragments[0]), [9], 100)));
        await using var client = await BindAsync(pipe);
        var fault = await Assert.ThrowsAsync<SmbRpcException>(async () => await client.CallAsync(Operation, Array.Empty<byte>(), "try", default));
        Assert.Equal(0x1C010002u, fault.Fault);
        Assert.Equal(SmbCompletion.Refused, fault.Completion);
        Assert.Contains("nca_s_op_rng_error", fault.Message, StringComparison.Ordinal);
        Assert.Equal([9], await client.CallAsync(Operation, Array.Empty<byte>(), "try again", default));
    }

    [Fact]
    public async Task A_call_that_was_not_finished_ends_the_use_of_the_pipe()
    {
        var pipe = new ScriptedPipe(Bound(_ => []));
        await using var client = await BindAsync(pipe);
        await Assert.ThrowsAsync<SmbProtocolException>(async () => await client.CallAsync(Operation, Array.Empty<byte>(), "try", default));
        var refusal = await Assert.ThrowsAsync<SmbException>(async () => await client.CallAsync(Operation, Array.Empty<byte>(), "try", default));
        Assert.Equal((SmbFailure.Lost, SmbCompletion.NotSent), (refusal.Failure, refusal.Completion));
    }

    [Theory]
    [InlineData("answer to another call")]
    [InlineData("not the first fragment")]
    [InlineData("bytes behind the answer")]
    [InlineData("empty fragment in the middle")]
    [InlineData("another kind")]
    [InlineData("too long a fragment")]
    [InlineData("big-endian")]
    [InlineData("security trailer")]
    [InlineData("another version")]
    public async Task An_answer_that_the_protocol_does_not_allow_is_refused(string damage)
    {
        var pipe = new ScriptedPipe(Bound(fragments =>
        {
            var answer = RpcServer.Answer(RpcServer.CallId(fragments[0]), Bytes(8, 3), 100);
            switch (damage)
            {
                case "answer to another call": answer[12]++; break;
                case "not the first fragment": answer[3] = 2; break;
                case "bytes behind the answer": answer = [.. answer, 0]; break;
                case "empty fragment in the middle": answer = [.. RpcServer.Pdu(RpcServer.Response, 1, RpcServer.CallId(fragments[0]), new byte[8]), .. answer]; break;
                case "another kind": answer[2] = 12; break;
                case "too long a fragment": answer[9] = 0x40; break;
                case "big-endian": answer[4] = 0; break;
                case "security trailer": answer[10] = 8; break;
                default: answer[0] = 4; break;
            }
            return answer;
        }));
        await Assert.ThrowsAsync<SmbProtocolException>(async () => await CallAsync(pipe, []));
    }

    [Fact]
    public async Task A_server_without_the_interface_is_named_and_the_pipe_closed()
    {
        var refused = Recorded.BindAck;
        refused[44] = 2; // provider rejection
        var pipe = new ScriptedPipe(_ => refused);
        var refusal = await Assert.ThrowsAsync<SmbException>(async () => await BindAsync(pipe));
        Assert.Equal(SmbFailure.Unsupported, refusal.Failure);
        Assert.Contains("srvsvc of FS1", refusal.Message, StringComparison.Ordinal);
        Assert.True(pipe.IsDisposed);

        var nak = new ScriptedPipe(_ => RpcServer.Pdu(13, 3, 1, 4, 0, 1, 5, 0));
        Assert.Equal(SmbFailure.Unsupported, (await Assert.ThrowsAsync<SmbException>(async () => await BindAsync(nak))).Failure);
    }

    [Fact]
    public void Every_prefix_and_every_flipped_bit_of_a_bind_answer_gives_a_binding_or_a_refusal()
    {
        var good = Recorded.BindAck;
        for (var length = 0; length < good.Length; length++)
        {
            var prefix = good[..length];
            Assert.Throws<SmbProtocolException>(() => Read(prefix));
        }
        for (var bit = 0; bit < good.Length * 8; bit++)
        {
            var bad = good.ToArray();
            bad[bit / 8] ^= (byte)(1 << (bit % 8));
            var refusal = Record.Exception(() => Read(bad));
            Assert.True(refusal is null or SmbException { Failure: SmbFailure.Protocol or SmbFailure.Unsupported }, $"bit {bit}: {refusal}");
        }

        static void Read(byte[] pdu) => Assert.InRange(RpcPdu.BindAnswer(RpcPdu.Parse(pdu), "srvsvc").MaxSendBytes, 1432, RpcPdu.MaxReceiveBytes);
    }

    [Fact]
    public async Task More_than_the_limit_is_not_taken()
    {
        var piece = Bytes(5000, 4);
        var pipe = new EndlessPipe(callId => RpcServer.Pdu(RpcServer.Response, 0, callId, [0, 0, 0, 0, 0, 0, 0, 0, .. piece]));
        await using var client = await RpcClient.BindAsync(pipe, SrvsMessages.Interface, "srvsvc of FS1", default);
        await Assert.ThrowsAsync<SmbProtocolException>(async () => await client.CallAsync(Operation, Array.Empty<byte>(), "try", default));
        Assert.InRange(pipe.GivenBytes, RpcClient.MaxResultBytes, RpcClient.MaxResultBytes * 11L / 10);
    }

    private static Func<IReadOnlyList<byte[]>, byte[]> Bound(Func<IReadOnlyList<byte[]>, byte[]> answer) =>
        fragments => RpcServer.IsBind(fragments) ? Recorded.BindAck : answer(fragments);

    private static ValueTask<RpcClient> BindAsync(IPipe pipe) => RpcClient.BindAsync(pipe, SrvsMessages.Interface, "srvsvc of FS1", default);

    private static async ValueTask<byte[]> CallAsync(IPipe pipe, byte[] stub)
    {
        await using var client = await BindAsync(pipe);
        return await client.CallAsync(Operation, stub, "try", default);
    }

    private static byte[] Bytes(int count, int seed)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>A server that never stops answering.</summary>
    private sealed class EndlessPipe(Func<uint, byte[]> fragment) : IPipe
    {
        private uint _callId;
        private bool _isFirst;

        public long GivenBytes { get; private set; }

        public ValueTask<byte[]> TransceiveAsync(ReadOnlyMemory<byte> message, int maxAnswerBytes, CancellationToken cancellationToken)
        {
            _callId = RpcServer.CallId(message.ToArray());
            _isFirst = true;
            return RpcServer.IsBind([message.ToArray()]) ? ValueTask.FromResult(Recorded.BindAck) : ReadAsync(maxAnswerBytes, cancellationToken);
        }

        public ValueTask<byte[]> ReadAsync(int maxBytes, CancellationToken cancellationToken)
        {
            var pdu = fragment(_callId);
            pdu[3] = (byte)(_isFirst ? 1 : 0);
            _isFirst = false;
            GivenBytes += pdu.Length;
            return ValueTask.FromResult(pdu);
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
