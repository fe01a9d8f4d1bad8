using Capstan.Smb;
using Capstan.Smb.Authentication;
using Capstan.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Smb.Authentication;

/// <summary>Whatever a server sends, a logon ends in a value or in an <see cref="SmbException"/>.</summary>
public sealed class HostileTokenTests
{
    private static readonly byte[] Challenge =
        NtlmServer.Challenge(NtlmServer.AllFlags, NtlmServer.Text(2, "DOM"), NtlmServer.Text(1, "FS1"), NtlmServer.Pair(6, 0, 0, 0, 0), NtlmServer.Time(133_000_000_000_000_000));

    private static readonly byte[] Hint = SpnegoTests.Hint("1.2.840.113554.1.2.2", NtlmMechanism.MechanismOid);
    private static readonly byte[] Middle = SpnegoTests.Resp(SpnegoState.AcceptIncomplete, NtlmMechanism.MechanismOid, Challenge, []);
    private static readonly byte[] Last = SpnegoTests.Resp(SpnegoState.AcceptCompleted, null, [], new byte[16]);

    public static TheoryData<string> Stages => ["hint", "challenge", "raw challenge", "last"];

    [Theory]
    [MemberData(nameof(Stages))]
    public void Any_bytes_end_well(string stage) =>
        Prop.ForAll<byte[]>(bytes => Offer(stage, bytes)).QuickCheckThrowOnFailure();

    [Theory]
    [MemberData(nameof(Stages))]
    public void Any_front_of_a_good_token_ends_well(string stage)
    {
        var good = Good(stage);
        for (var length = 0; length <= good.Length; length++)
            Offer(stage, good[..length]);
    }

    [Theory]
    [MemberData(nameof(Stages))]
    public void A_good_token_with_any_byte_changed_ends_well(string stage)
    {
        var good = Good(stage);
        for (var at = 0; at < good.Length; at++)
        {
            foreach (byte value in (byte[])[0x00, 0x01, 0x30, 0x7F, 0x80, 0x84, 0xA0, 0xFF, (byte)(good[at] ^ 1), (byte)(good[at] + 1)])
            {
                byte[] bad = [.. good];
                bad[at] = value;
                Offer(stage, bad);
            }
        }
    }

    [Fact]
    public void Target_information_too_large_for_the_answer_is_refused()
    {
        byte[][] pairs = [.. Enumerable.Range(0, 7).Select(_ => NtlmServer.Pair(2, new byte[3000]))];
        using var mechanism = Begin();
        mechanism.Step([]);
        Assert.Throws<SmbProtocolException>(() => mechanism.Step(NtlmServer.Challenge(NtlmServer.AllFlags, pairs)));
    }

    [Fact]
    public void Reading_a_token_allocates_in_proportion_to_it()
    {
        // Claims 4 GB, and 64 KB in a field, in a few bytes.
        byte[][] liars =
        [
            Convert.FromHexString("6084ffffffff06062b0601050502"),
            Convert.FromHexString("a184fffffff03084ffffffe0"),
            [.. Challenge[..40], 0xFF, 0xFF, 0xFF, 0xFF, 56, 0, 0, 0, .. Challenge[48..]],
        ];
        foreach (var liar in liars)
        {
            Offer("challenge", liar);
            var before = GC.GetAllocatedBytesForCurrentThread();
            Offer("challenge", liar);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 * 1024);
        }
    }

    private static byte[] Good(string stage) => stage switch
    {
        "hint" => Hint,
        "challenge" => Middle,
        "raw challenge" => Challenge,
        _ => Last,
    };

    /// <returns>True always: what must not happen is another exception.</returns>
    private static bool Offer(string stage, byte[] token)
    {
        using var context = new SpnegoContext(Begin());
        try
        {
            context.Next(stage == "hint" ? token : []);
            if (stage == "hint")
                return true;
            context.Next(stage == "last" ? Middle : token);
            context.Finish(stage == "last" ? token : []);
        }
        catch (SmbException)
        {
            return true;
        }

        return true;
    }

    private static NtlmMechanism Begin() => new(NtlmIdentity.Of(@".\capa", "secret"), "fs1", "WS", NtlmNonces.Random(), new ManualTime());
}
