using System.Buffers.Binary;
using Capstan.Ncp.Crypto;

namespace Capstan.Ncp.Wire;

/// <summary>Where the parts of a packet stand on one transport, and what of them its signature covers. Pure.</summary>
internal abstract class Framing
{
    public static readonly Framing Stream = new OnStream();
    public static readonly Framing Datagram = new OnDatagram();

    /// <summary>Bytes of a request's frame.</summary>
    public abstract int LengthOf(int bodyBytes, bool isSigned);

    /// <summary>Writes a request: head, function and body, and the signature where there is a signer.</summary>
    /// <param name="body">Function byte and what follows it.</param>
    public abstract void Write(Packet head, ReadOnlySpan<byte> body, PacketSigner? signer, Span<byte> frame);

    /// <summary>Finds the packet in what was received.</summary>
    /// <param name="isSigned">Whether this answer carries a signature.</param>
    /// <exception cref="NcpProtocolException">It is too short.</exception>
    public abstract (Range Packet, Range Signature) Open(ReadOnlySpan<byte> received, bool isSigned);

    /// <summary>Whether a reply's signature is right.</summary>
    public abstract bool Verify(PacketSigner signer, ReadOnlySpan<byte> packet, ReadOnlySpan<byte> signature);

    private sealed class OnStream : Framing
    {
        public override int LengthOf(int bodyBytes, bool isSigned) =>
            StreamRecord.RequestHeadBytes + (isSigned ? PacketSigner.SignatureBytes : 0) + Packet.RequestBytes + bodyBytes;

        public override void Write(Packet head, ReadOnlySpan<byte> body, PacketSigner? signer, Span<byte> frame)
        {
            StreamRecord.WriteRequestHead(frame, frame.Length);
            var rest = frame[StreamRecord.RequestHeadBytes..];
            if (signer is not null)
            {
                Span<byte> length = stackalloc byte[sizeof(uint)];
                BinaryPrimitives.WriteUInt32BigEndian(length, (uint)frame.Length);
                signer.Sign(body, length, rest);
                rest = rest[PacketSigner.SignatureBytes..];
            }
            head.WriteRequest(rest);
            body.CopyTo(rest[Packet.RequestBytes..]);
        }

        public override (Range Packet, Range Signature) Open(ReadOnlySpan<byte> received, bool isSigned)
        {
            var begin = isSigned ? PacketSigner.SignatureBytes : 0;
            return received.Length < begin + Packet.ReplyBytes ? throw TooShort(received.Length) : (begin.., ..begin);
        }

        public override bool Verify(PacketSigner signer, ReadOnlySpan<byte> packet, ReadOnlySpan<byte> signature)
        {
            Span<byte> length = stackalloc byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32BigEndian(length, (uint)(StreamRecord.ReplyHeadBytes + PacketSigner.SignatureBytes + packet.Length));
            return signer.Verify(packet[Packet.RequestBytes..], length, signature);
        }
    }

    private sealed class OnDatagram : Framing
    {
        public override int LengthOf(int bodyBytes, bool isSigned) => Packet.RequestBytes + bodyBytes + (isSigned ? PacketSigner.SignatureBytes : 0);

        public override void Write(Packet head, ReadOnlySpan<byte> body, PacketSigner? signer, Span<byte> frame)
        {
            head.WriteRequest(frame);
            body.CopyTo(frame[Packet.RequestBytes..]);
            if (signer is null)
                return;
            Span<byte> length = stackalloc byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32LittleEndian(length, (uint)(Packet.RequestBytes + body.Length));
            signer.Sign(body, length, frame[(Packet.RequestBytes + body.Length)..]);
        }

        public override (Range Packet, Range Signature) Open(ReadOnlySpan<byte> received, bool isSigned)
        {
            var end = received.Length - (isSigned ? PacketSigner.SignatureBytes : 0);
            return end < Packet.ReplyBytes ? throw TooShort(received.Length) : (..end, end..);
        }

        public override bool Verify(PacketSigner signer, ReadOnlySpan<byte> packet, ReadOnlySpan<byte> signature)
        {
            Span<byte> length = stackalloc byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32LittleEndian(length, (uint)packet.Length);
            // On datagrams the completion code and the status are not covered (as the free clients have it).
            return signer.Verify(packet[Packet.ReplyBytes..], length, signature);
        }
    }

    private static NcpProtocolException TooShort(int bytes) => new($"an answer of {bytes} bytes is too short to be one");
}
