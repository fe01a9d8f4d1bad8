namespace Capstan.Smb.Wire;

/// <summary>The body of one request: what follows the header. Immutable.</summary>
internal abstract class SmbRequest(SmbCommand command)
{
    private const int CreditUnit = 65536;

    public SmbCommand Command => command;

    /// <summary>Exact size of the body in bytes.</summary>
    public abstract int Bytes { get; }

    /// <summary>The larger of the payload sent and the payload asked for, which decides what the request costs ([MS-SMB2] 3.1.5.2).</summary>
    protected virtual int PayloadBytes => 0;

    /// <summary>Credits, where the connection has multi-credit requests.</summary>
    public int CreditCharge => 1 + ((Math.Max(PayloadBytes, 1) - 1) / CreditUnit);

    /// <summary>Judges the answer to a request that was done: every field that is read of it lies inside it and is no larger than what was asked for.</summary>
    /// <param name="answer">Header and body.</param>
    /// <exception cref="SmbProtocolException">It is not.</exception>
    public virtual void Check(ReadOnlySpan<byte> answer)
    {
    }

    /// <summary>Writes the body. The writer stands behind the header, so that its position is what the offsets in messages count.</summary>
    public abstract void Write(ref WireWriter writer);
}

/// <summary>LOGOFF, TREE_DISCONNECT, ECHO, CANCEL (2.2.7, 2.2.11, 2.2.28, 2.2.30): nothing but a size.</summary>
internal sealed class EmptyRequest(SmbCommand command) : SmbRequest(command)
{
    public override int Bytes => 4;

    public override void Write(ref WireWriter writer)
    {
        writer.UInt16(4);
        writer.UInt16(0);
    }
}
