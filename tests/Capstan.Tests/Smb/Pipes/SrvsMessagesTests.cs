using Capstan.Smb;
using Capstan.Smb.Pipes;

namespace Capstan.Tests.Smb.Pipes;

public sealed class SrvsMessagesTests
{
    [Fact]
    public void Arguments_are_those_of_another_client()
    {
        Assert.Equal(Recorded.ServerGetInfoRequest, SrvsMessages.ServerGetInfoRequest(@"\\127.0.0.1").ToArray());
        Assert.Equal(Recorded.SessionDelRequest, SrvsMessages.SessionDelRequest("127.0.0.1", "127.0.0.1", "nobody").ToArray());
        // The other client gives no handle to go on from; we always do.
        byte[] resume = [8, 0, 2, 0, 7, 0, 0, 0];
        Assert.Equal([.. Recorded.SessionEnumRequest[..^4], .. resume], SrvsMessages.SessionEnumRequest("127.0.0.1", SessionLevel.Opens, 7, uint.MaxValue).ToArray());
    }

    [Fact]
    public void Answers_of_Samba_are_read()
    {
        var shares = SrvsMessages.ShareEnumAnswer(Recorded.ShareEnumAnswer);
        Assert.Equal(Win32Error.Success, shares.Error);
        Assert.Equal([new SmbShare("cap", SmbShareKind.Disk, IsSpecial: false, "")], shares.Items);
        var sessions = SrvsMessages.SessionEnumAnswer(Recorded.SessionEnumAnswer, SessionLevel.Opens);
        Assert.Equal([new SmbServerSession("127.0.0.1", "capa", 0, TimeSpan.Zero, TimeSpan.Zero, IsGuest: false, null, null)], sessions.Items);
        var (info, error) = SrvsMessages.ServerGetInfoAnswer(Recorded.ServerGetInfoAnswer);
        Assert.Equal(Win32Error.Success, error);
        Assert.Equal(new SmbServerInfo("CAPSRV", new Version(6, 1), 0x809a03, "Samba 4.17.12-Debian"), info);
        Assert.Equal(Win32Error.AccessDenied, SrvsMessages.SessionDelAnswer([5, 0, 0, 0]));
    }

    [Fact]
    public void Each_level_gives_what_it_has_and_null_for_the_rest()
    {
        var one = TimeSpan.FromSeconds(61);
        var two = TimeSpan.FromSeconds(7);
        Assert.Equal(new SmbServerSession("PC1", null, null, null, null, null, null, null), One(SessionLevel.Clients));
        Assert.Equal(new SmbServerSession("PC1", "capa", 3, one, two, true, null, null), One(SessionLevel.Opens));
        Assert.Equal(new SmbServerSession("PC1", "capa", null, one, two, null, null, null), One(SessionLevel.Times));
        Assert.Equal(new SmbServerSession("PC1", "capa", 3, one, two, true, "Win", @"\Device\T"), One(SessionLevel.Everything));
    }

    [Fact]
    public void A_share_for_administration_is_told_from_its_kind()
    {
        var answer = Recorded.ShareEnumAnswer;
        answer[28] = 3; // type, little-endian
        answer[31] = 0x80;
        Assert.Equal(new SmbShare("cap", SmbShareKind.InterProcess, IsSpecial: true, ""), Assert.Single(SrvsMessages.ShareEnumAnswer(answer).Items));
    }

    [Fact]
    public void More_entries_than_bytes_are_not_believed()
    {
        var answer = Recorded.SessionEnumAnswer;
        (answer[15], answer[23]) = (0x7F, 0x7F); // EntriesRead and the array's own count
        Refused(() => SrvsMessages.SessionEnumAnswer(answer, SessionLevel.Opens));
        answer[23] = 0;
        Refused(() => SrvsMessages.SessionEnumAnswer(answer, SessionLevel.Opens));
    }

    [Fact]
    public void Another_level_than_asked_is_refused() =>
        Refused(() => SrvsMessages.SessionEnumAnswer(Recorded.SessionEnumAnswer, SessionLevel.Times));

    public static TheoryData<string> Answers => [.. Decoders.Keys];

    private static readonly Dictionary<string, (byte[] Good, Action<byte[]> Decode)> Decoders = new(StringComparer.Ordinal)
    {
        ["shares"] = (Recorded.ShareEnumAnswer, stub => SrvsMessages.ShareEnumAnswer(stub)),
        ["sessions"] = (Recorded.SessionEnumAnswer, stub => SrvsMessages.SessionEnumAnswer(stub, SessionLevel.Opens)),
        ["sessions, richest"] = (Stub(SessionLevel.Everything), stub => SrvsMessages.SessionEnumAnswer(stub, SessionLevel.Everything)),
        ["sessions, poorest"] = (Stub(SessionLevel.Clients), stub => SrvsMessages.SessionEnumAnswer(stub, SessionLevel.Clients)),
        ["server"] = (Recorded.ServerGetInfoAnswer, stub => SrvsMessages.ServerGetInfoAnswer(stub)),
        ["deletion"] = ([0, 0, 0, 0], stub => SrvsMessages.SessionDelAnswer(stub)),
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public void Every_prefix_of_an_answer_is_refused(string name)
    {
        var (good, decode) = Decoders[name];
        decode(good);
        for (var length = 0; length < good.Length; length++)
        {
            var prefix = good[..length];
            Refused(() => decode(prefix));
        }
    }

    [Theory]
    [MemberData(nameof(Answers))]
    public void Every_flipped_bit_of_an_answer_gives_a_value_or_a_refusal_and_no_large_allocation(string name)
    {
        var (good, decode) = Decoders[name];
        for (var bit = 0; bit < good.Length * 8; bit++)
        {
            var bad = good.ToArray();
            bad[bit / 8] ^= (byte)(1 << (bit % 8));
            var before = GC.GetAllocatedBytesForCurrentThread();
            var refusal = Record.Exception(() => decode(bad));
            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(refusal is null or SmbProtocolException, $"bit {bit}: {refusal}");
            Assert.True(allocated < 65_536, $"bit {bit}: {allocated} bytes for {good.Length}");
        }
    }

    private static SmbServerSession One(SessionLevel level) => Assert.Single(SrvsMessages.SessionEnumAnswer(Stub(level), level).Items);

    /// <summary>One session as a server would answer at a level ([MS-SRVS] 2.2.4.11–22): fixed part, then its texts.</summary>
    private static byte[] Stub(SessionLevel level)
    {
        var writer = new NdrWriter().UInt32((uint)level).UInt32((uint)level).Pointer().UInt32(1).Pointer().UInt32(1);
        _ = level switch
        {
            SessionLevel.Clients => writer.Pointer(),
            SessionLevel.Times => writer.Pointer().Pointer().UInt32(61).UInt32(7),
            _ => writer.Pointer().Pointer().UInt32(3).UInt32(61).UInt32(7).UInt32(1),
        };
        if (level == SessionLevel.Everything)
            writer.Pointer().Pointer();
        string[] texts = level switch
        {
            SessionLevel.Clients => [@"\\PC1"],
            SessionLevel.Everything => [@"\\PC1", "capa", "Win", @"\Device\T"],
            _ => [@"\\PC1", "capa"],
        };
        foreach (var text in texts)
            Body(writer, text);
        return writer.UInt32(1).Pointer().UInt32(1).UInt32(0).Written.ToArray();
    }

    /// <summary>A text without the pointer to it: <see cref="NdrWriter.Text"/> writes both, since arguments are made so.</summary>
    private static void Body(NdrWriter writer, string text)
    {
        writer.UInt32((uint)text.Length + 1).UInt32(0).UInt32((uint)text.Length + 1);
        for (var i = 0; i <= text.Length; i += 2)
            writer.UInt32((i < text.Length ? text[i] : 0u) | ((i + 1 < text.Length ? text[i + 1] : 0u) << 16));
    }

    private static void Refused(Action decode) => Assert.Throws<SmbProtocolException>(decode);
}
