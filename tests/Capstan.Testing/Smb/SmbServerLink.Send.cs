using System.Buffers.Binary;
using Capstan.Smb;
using Capstan.Smb.Wire;

namespace Capstan.Testing.Smb;

internal sealed partial class SmbServerLink
{
    private static readonly byte[] Smb1 = [0xFF, (byte)'S', (byte)'M', (byte)'B', 0x72, .. new byte[32]];

    /// <summary>Several answers go in one frame, as they came.</summary>
    private async Task SendAsync(IReadOnlyList<ServerAnswer> answers)
    {
        await _sending.WaitAsync(server.Stopping);
        try
        {
            foreach (var frame in Frames(answers))
                await stream.WriteAsync(frame, server.Stopping);
        }
        finally
        {
            _sending.Release();
        }
    }

    private IEnumerable<byte[]> Frames(IReadOnlyList<ServerAnswer> answers)
    {
        var trick = answers.Select(answer => answer.Trick).FirstOrDefault(trick => trick is not null);
        switch (trick?.Kind)
        {
            case SmbTrickKind.Garbage:
                return [Prefixed("GET / HTTP/1.1\r\n\r\n"u8)];
            case SmbTrickKind.Smb1:
                return [Prefixed(Smb1)];
            case SmbTrickKind.OverLong:
                return [[0, 0xFF, 0xFF, 0xFF, .. Prefixed("abc"u8)]];
            default:
                var frame = Prefixed(Message(answers));
                return trick?.Kind == SmbTrickKind.Twice ? [frame, frame] : [frame];
        }
    }

    private byte[] Message(IReadOnlyList<ServerAnswer> answers)
    {
        var parts = answers.Select((answer, index) => Build(answer, isLast: index == answers.Count - 1)).ToArray();
        byte[] message = [.. parts.SelectMany(part => part)];
        var first = answers[0];
        if (!first.Encrypts || first.Trick?.Kind == SmbTrickKind.InClear || first.Session is not { Sealing: not null } session)
            return message;
        lock (server.Gate)
            return Seal(session, message, isWrong: answers.Any(answer => answer.Trick?.Kind == SmbTrickKind.WrongSignature));
    }

    private byte[] Build(ServerAnswer answer, bool isLast)
    {
        var kind = answer.Trick?.Kind;
        var header = answer.Header;
        var exact = SmbHeader.Bytes + answer.Body.Length;
        var length = isLast ? exact : (exact + 7) & ~7;
        var message = new byte[length];
        var signs = (answer.Signs || (kind == SmbTrickKind.InClear && answer.Encrypts)) && answer.Session?.Signing is not null && kind != SmbTrickKind.Unsigned;
        (header with
        {
            NextCommand = isLast ? 0 : (uint)length,
            MessageId = kind == SmbTrickKind.WrongMessageId ? header.MessageId + 1_000_000 : header.MessageId,
            Command = kind == SmbTrickKind.WrongCommand ? SmbCommand.OplockBreak : header.Command,
            Flags = (header.Flags | (signs ? HeaderFlags.Signed : 0)) & (kind == SmbTrickKind.NotOfServer ? ~HeaderFlags.ServerToClient : (HeaderFlags)uint.MaxValue),
        }).Write(message);
        answer.Body.CopyTo(message, SmbHeader.Bytes);
        if (kind == SmbTrickKind.AlterBefore)
            answer.Trick!.Alter!(message);
        answer.Built?.Invoke(message);
        if (signs)
        {
            lock (server.Gate)
                answer.Session!.Signing!.Sign(message, SmbHeader.Read(message).MessageId, isServer: true, isCancel: false, SmbHeader.Signature(message));
            if (kind == SmbTrickKind.WrongSignature)
                message[SmbHeader.SignatureOffset] ^= 1;
        }
        if (kind == SmbTrickKind.AlterAfter)
            answer.Trick!.Alter!(message);
        return message;
    }

    private static byte[] Seal(ServerSession session, byte[] message, bool isWrong)
    {
        var cipher = session.Sealing!;
        var frame = new byte[TransformHeader.Bytes + message.Length];
        message.CopyTo(frame, TransformHeader.Bytes);
        var nonce = new byte[cipher.NonceBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(nonce, ++session.LastNonce);
        TransformHeader.Write(frame, nonce, message.Length, session.Id);
        cipher.Encrypt(frame.AsSpan(TransformHeader.Bytes), nonce, frame.AsSpan(TransformHeader.NonceOffset, TransformHeader.AssociatedBytes),
            frame.AsSpan(TransformHeader.SignatureOffset, 16));
        if (isWrong)
            frame[TransformHeader.SignatureOffset] ^= 1;
        return frame;
    }

    private static byte[] Prefixed(ReadOnlySpan<byte> message)
    {
        var frame = new byte[4 + message.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)message.Length);
        message.CopyTo(frame.AsSpan(4));
        return frame;
    }
}
