using System.Buffers.Binary;
using Capstan.Smb;
using Capstan.Smb.Wire;

namespace Capstan.Testing.Smb;

/// <summary>A request of the wire, cut out of its frame.</summary>
/// <param name="Session">Null when the server has none of that id.</param>
internal sealed record ServerRequest(SmbHeader Header, byte[] Message, ServerSession? Session, bool IsEncrypted)
{
    public WireReader Reader(ushort structureSize)
    {
        var reader = new WireReader(Message, Header.Command.Name);
        reader.Skip(SmbHeader.Bytes);
        reader.Expect(structureSize);
        return reader;
    }
}

/// <summary>What related requests inherit ([MS-SMB2] 3.3.5.2.7.2).</summary>
internal sealed class ServerChain
{
    public ServerSession? Session { get; set; }

    public uint TreeId { get; set; }

    public ulong FileId { get; set; }

    public NtStatus Status { get; set; }

    public SmbCommand Failed { get; set; }
}

/// <summary>An answer that is not sent yet.</summary>
internal sealed record ServerAnswer(SmbHeader Header, byte[] Body)
{
    /// <summary>Whose keys protect it; null for none.</summary>
    public ServerSession? Session { get; init; }

    public bool Signs { get; init; }

    public bool Encrypts { get; init; }

    public SmbTrick? Trick { get; init; }

    /// <summary>Sees the bytes before they are signed: NEGOTIATE and SESSION_SETUP are hashed.</summary>
    public Action<byte[]>? Built { get; init; }
}

/// <summary>One connection at the server: frames in, requests one by one, answers out.</summary>
internal sealed partial class SmbServerLink(SmbTestServer server, int number, Stream stream)
{
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly ServerWindow _window = new();
    private int _answered;
    private volatile bool _isOver;

    public void Close()
    {
        _isOver = true;
        stream.Dispose();
    }

    public async Task RunAsync()
    {
        var working = new List<Task>();
        try
        {
            while (await ReadFrameAsync() is { } frame)
            {
                working.RemoveAll(task => task.IsCompleted);
                // A request that is held does not hold up those behind it.
                working.Add(TakeAsync(frame));
            }
        }
        catch (Exception e) when (IsEndOfLink(e))
        {
        }
        Close();
        EndHolds();
        await Task.WhenAll(working);
    }

    private void EndHolds()
    {
        lock (server.Gate)
        {
            foreach (var hold in server.HoldsOf(this))
                hold.Release();
        }
    }

    private static bool IsEndOfLink(Exception e) => e is IOException or ObjectDisposedException or OperationCanceledException;

    private async ValueTask<byte[]?> ReadFrameAsync()
    {
        var prefix = new byte[4];
        if (await stream.ReadAtLeastAsync(prefix, 4, throwOnEndOfStream: false, server.Stopping) < 4)
            return null;
        var frame = new byte[BinaryPrimitives.ReadUInt32BigEndian(prefix) & 0xFFFFFF];
        await stream.ReadExactlyAsync(frame, server.Stopping);
        return frame;
    }

    private async Task TakeAsync(byte[] frame)
    {
        try
        {
            var answers = new List<ServerAnswer>();
            var chain = new ServerChain();
            foreach (var request in Open(frame))
            {
                if (await AnswerAsync(request, chain) is { } answer)
                    answers.Add(answer);
            }
            if (answers.Count > 0)
                await SendAsync(answers);
        }
        catch (Exception e) when (IsEndOfLink(e))
        {
        }
        catch (Exception e) when (e is SmbException or ArgumentException)
        {
            server.Complain($"link {number}: {e.Message}");
            Close();
        }
    }

    private List<ServerRequest> Open(byte[] frame)
    {
        var requests = new List<ServerRequest>();
        var isEncrypted = TransformHeader.Is(frame);
        ServerSession? opened = null;
        lock (server.Gate)
        {
            if (isEncrypted)
            {
                if (!server.TryGetSession(TransformHeader.Read(frame), out opened) || opened.Opening is not { } cipher)
                {
                    // A session that ended: nothing can be said that the client could read. Real servers close the link.
                    Close();
                    return requests;
                }
                cipher.Decrypt(frame.AsSpan(TransformHeader.Bytes), frame.AsSpan(TransformHeader.NonceOffset, cipher.NonceBytes),
                    frame.AsSpan(TransformHeader.NonceOffset, TransformHeader.AssociatedBytes), frame.AsSpan(TransformHeader.SignatureOffset, 16));
                frame = frame[TransformHeader.Bytes..];
            }
            for (var start = 0; ;)
            {
                var header = SmbHeader.Read(frame.AsSpan(start));
                var length = header.NextCommand == 0 ? frame.Length - start : (int)header.NextCommand;
                server.TryGetSession(header.SessionId, out var session);
                requests.Add(new ServerRequest(header, frame.AsSpan(start, length).ToArray(), opened ?? session, isEncrypted));
                if (header.NextCommand == 0)
                    return requests;
                start += length;
            }
        }
    }

    private async ValueTask<ServerAnswer?> AnswerAsync(ServerRequest request, ServerChain chain)
    {
        var header = request.Header;
        SmbTrick? trick;
        SmbHold? hold;
        lock (server.Gate)
        {
            server.See(new SmbSeen(number, header.Command, header.MessageId, header.Flags.HasFlag(HeaderFlags.Related), header.Flags.HasFlag(HeaderFlags.Signed), request.IsEncrypted));
            if (header.Command == SmbCommand.Cancel)
            {
                VerifySignature(request);
                server.FindHold(this, header.MessageId, header.AsyncId)?.Cancel();
                return null;
            }
            if (!_window.Use(header.MessageId, Math.Max((int)header.CreditCharge, 1)))
                server.Complain($"link {number}: {header.Command} uses message id {header.MessageId} (charge {header.CreditCharge}), which it was not granted");
            VerifySignature(request);
            trick = server.NextTrick(header.Command);
            hold = server.NextHold(this, header.Command, header.MessageId);
        }
        if (trick?.Kind == SmbTrickKind.CloseBefore)
        {
            Close();
            return null;
        }
        if (hold?.SendsInterim == true || trick?.Kind == SmbTrickKind.Interim)
            await SendAsync([Interim(request, AsyncId(request))]);
        var goesOn = true;
        if (hold is not null)
        {
            hold.Reach();
            goesOn = await hold.GoesOn;
        }
        if (_isOver)
            return null;
        lock (server.Gate)
        {
            var result = !goesOn ? Failed(NtStatus.Cancelled)
                : trick?.Kind == SmbTrickKind.Refuse ? Failed(trick.Status)
                : Perform(request, chain, trick);
            Follow(request, chain, result.Status);
            server.Performed(header.Command);
            if (trick?.Kind == SmbTrickKind.Silence)
                return null;
            if (trick?.Kind == SmbTrickKind.CloseAfter)
            {
                Close();
                return null;
            }
            if (header.Command == SmbCommand.Echo && !server.Rules.AnswersEcho)
                return null;
            var isAsync = hold?.SendsInterim == true || trick?.Kind == SmbTrickKind.Interim;
            var session = result.Session ?? request.Session ?? chain.Session;
            return new ServerAnswer(new SmbHeader(header.Command, result.Status, HeaderFlags.ServerToClient | (header.Flags & HeaderFlags.Related) | (isAsync ? HeaderFlags.Async : 0),
                header.CreditCharge, (ushort)Grant(header), 0, header.MessageId, result.TreeId ?? header.TreeId, isAsync ? AsyncId(request) : 0, session?.Id ?? header.SessionId), result.Body)
            {
                Session = session,
                Encrypts = request.IsEncrypted,
                Signs = !request.IsEncrypted && (header.Flags.HasFlag(HeaderFlags.Signed) || result.Signs),
                Trick = trick,
                Built = result.Built,
            };
        }
    }

    private static ulong AsyncId(ServerRequest request) => 0x1000 + request.Header.MessageId;

    private static void Follow(ServerRequest request, ServerChain chain, NtStatus status)
    {
        chain.Session ??= request.Session;
        if (!request.Header.Flags.HasFlag(HeaderFlags.Related))
            chain.TreeId = request.Header.TreeId;
        if (status.IsError && !chain.Status.IsError)
            (chain.Status, chain.Failed) = (status, request.Header.Command);
    }

    private int Grant(SmbHeader request)
    {
        var charge = Math.Max((int)request.CreditCharge, 1);
        _window.Settle(charge);
        var credits = server.Rules.Credits(new SmbCreditQuestion(request.Credits, charge, _window.Held, _answered++));
        _window.Grant(credits);
        return credits;
    }

    private ServerAnswer Interim(ServerRequest request, ulong asyncId)
    {
        lock (server.Gate)
        {
            var header = request.Header;
            return new ServerAnswer(new SmbHeader(header.Command, NtStatus.Pending, HeaderFlags.ServerToClient | HeaderFlags.Async, header.CreditCharge, 0, 0,
                header.MessageId, 0, asyncId, header.SessionId), SmbBody.Error)
            {
                Session = request.Session,
                Encrypts = request.IsEncrypted,
                Signs = !request.IsEncrypted && header.Flags.HasFlag(HeaderFlags.Signed),
            };
        }
    }

    /// <summary>[MS-SMB2] 3.3.5.2.4: a signature that is there must be right; a session that must sign may not go without.</summary>
    private void VerifySignature(ServerRequest request)
    {
        var header = request.Header;
        if (request.IsEncrypted || request.Session is not { Account: not null, Verifying: { } signer } || header.Command == SmbCommand.SessionSetup)
            return;
        if (request.Session.MustEncrypt)
            server.Complain($"link {number}: {header.Command} came in clear on a session that is encrypted");
        if (!header.Flags.HasFlag(HeaderFlags.Signed))
        {
            if (server.Rules.RequiresSigning)
                server.Complain($"link {number}: {header.Command} came without a signature");
            return;
        }
        byte[] message = [.. request.Message];
        var found = message.AsSpan(SmbHeader.SignatureOffset, 16).ToArray();
        SmbHeader.Signature(message).Clear();
        Span<byte> right = stackalloc byte[16];
        signer.Sign(message, header.MessageId, isServer: false, header.Command == SmbCommand.Cancel, right);
        if (!right.SequenceEqual(found))
            server.Complain($"link {number}: the signature of {header.Command} is wrong");
    }
}
