namespace Capstan.Testing.Smb;

/// <summary>What becomes of the link after a frame.</summary>
internal enum LinkFate
{
    /// <summary>It goes on.</summary>
    Stands,
    /// <summary>Both sides are closed in order (FIN).</summary>
    Closes,
    /// <summary>The client's side is reset (RST), the server's closed.</summary>
    Resets,
    /// <summary>It stands, and nothing passes any more in this direction.</summary>
    Silent,
}

/// <summary>What a <see cref="FaultProxy"/> does with one frame: what it sends in its place, piece by piece, and how the link goes on.</summary>
internal sealed record FrameFate(IReadOnlyList<ReadOnlyMemory<byte>> Pieces, LinkFate Link = LinkFate.Stands)
{
    /// <summary>How long the first piece waits.</summary>
    public TimeSpan Delay { get; init; }

    public static FrameFate Pass(SmbFrame frame) => new([frame.Bytes]);

    public static FrameFate End(LinkFate link) => new([], link);
}

/// <summary>Faults: each is a rule that says what becomes of a frame.</summary>
internal static class Faults
{
    public static Func<SmbFrame, FrameFate> Delay(TimeSpan delay) => frame => FrameFate.Pass(frame) with { Delay = delay };

    /// <summary>Every byte is a segment of its own.</summary>
    public static FrameFate SplitEveryByte(SmbFrame frame) => new([.. Enumerable.Range(0, frame.Bytes.Length).Select(i => frame.Bytes.Slice(i, 1))]);

    public static FrameFate Twice(SmbFrame frame) => new([frame.Bytes, frame.Bytes]);

    /// <summary>The link goes after so many bytes of this direction, be it within a frame.</summary>
    public static Func<SmbFrame, FrameFate> After(long bytes, LinkFate link) => frame =>
        frame.OffsetBytes + frame.Bytes.Length < bytes ? FrameFate.Pass(frame) : new([frame.Bytes[..(int)Math.Max(0, bytes - frame.OffsetBytes)]], link);

    /// <summary>The link goes in place of the n-th (from 1) frame with a command.</summary>
    public static Func<SmbFrame, FrameFate> At(ushort command, int count, LinkFate link) => frame =>
        frame.Command == command && frame.CommandCount == count ? FrameFate.End(link) : FrameFate.Pass(frame);

    /// <summary>The n-th (from 1) answer to a command becomes an error with this status.</summary>
    public static Func<SmbFrame, FrameFate> Forge(ushort command, int count, uint status) => frame =>
        FrameFate.Pass(frame.Command == command && frame.CommandCount == count ? frame.Forged(status) : frame);

    /// <summary>One bit is changed in the last byte of the n-th (from 1) frame with a command.</summary>
    public static Func<SmbFrame, FrameFate> Flip(ushort command, int count) => frame =>
    {
        if (frame.Command != command || frame.CommandCount != count)
            return FrameFate.Pass(frame);
        var changed = frame.Bytes.ToArray();
        changed[^1] ^= 1;
        return new([changed]);
    };
}
