using System.Security.Cryptography;
using Capstan.Smb;
using Capstan.Smb.Crypto;
using Capstan.Smb.Wire;

namespace Capstan.Testing.Smb;

/// <summary>What a request came to.</summary>
internal sealed record Outcome(NtStatus Status, byte[] Body)
{
    /// <summary>Of a session that was just made.</summary>
    public ServerSession? Session { get; init; }

    public uint? TreeId { get; init; }

    /// <summary>Signed, although the request was not: the last answer of a logon.</summary>
    public bool Signs { get; init; }

    public Action<byte[]>? Built { get; init; }
}

internal sealed partial class SmbServerLink
{
    private NegotiateFacts? _negotiated;
    private byte[] _preauth = new byte[64];

    /// <summary>What NEGOTIATE came to; VALIDATE_NEGOTIATE_INFO asks for it again.</summary>
    private sealed record NegotiateFacts(SmbDialect Dialect, SmbSigning Signing, SmbCipher Cipher, Capabilities Capabilities, SecurityMode Mode,
        uint ClientCapabilities, Guid Client, ushort ClientMode, ushort[] ClientDialects);

    private static Outcome Failed(NtStatus status) => new(status, SmbBody.Error);

    private static Outcome Done(byte[] body) => new(NtStatus.Success, body);

    private Outcome Perform(ServerRequest request, ServerChain chain, SmbTrick? trick)
    {
        var command = request.Header.Command;
        if (command == SmbCommand.Negotiate)
            return Negotiate(request);
        if (command == SmbCommand.SessionSetup)
            return SetUp(request);
        if (command == SmbCommand.Echo)
            return Done(SmbBody.Empty);
        var isRelated = request.Header.Flags.HasFlag(HeaderFlags.Related);
        if (isRelated && server.Rules.Compounds == SmbCompoundRule.Refused)
            return Failed(NtStatus.InvalidParameter);
        if (isRelated && chain.Status.IsError && (server.Rules.Compounds == SmbCompoundRule.FailsAllBehind || chain.Failed == SmbCommand.Create))
            return Failed(chain.Status);
        if ((isRelated ? chain.Session : request.Session) is not { Account: not null } session || session.Link != this)
            return Failed(NtStatus.UserSessionDeleted);
        if (session.MustEncrypt && !request.IsEncrypted)
            return Failed(NtStatus.AccessDenied);
        if (command == SmbCommand.Logoff)
        {
            server.Remove(session.Id);
            return Done(SmbBody.Empty) with { Session = session };
        }
        if (command == SmbCommand.TreeConnect)
            return ConnectTree(request, session);
        if (!session.Trees.TryGetValue(isRelated ? chain.TreeId : request.Header.TreeId, out var tree))
            return Failed(NtStatus.NetworkNameDeleted);
        if (tree.Share.MustEncrypt && !request.IsEncrypted)
            return Failed(NtStatus.AccessDenied);
        if (command == SmbCommand.TreeDisconnect)
        {
            SmbTestServer.Leave(tree);
            return Done(SmbBody.Empty);
        }
        if (command == SmbCommand.Ioctl && Validate(request) is { } validated)
            return validated;
        return new SmbServerFiles(server, tree, trick).Perform(request, chain);
    }

    private Outcome Negotiate(ServerRequest request)
    {
        var rules = server.Rules;
        var reader = request.Reader(36);
        var dialects = new ushort[reader.UInt16()];
        var clientMode = reader.UInt16();
        reader.Skip(2);
        var clientCapabilities = reader.UInt32();
        var client = reader.Guid();
        var contextOffset = reader.UInt32();
        var contextCount = reader.UInt16();
        reader.Skip(2);
        for (var i = 0; i < dialects.Length; i++)
            dialects[i] = reader.UInt16();
        var common = dialects.Select(code => (SmbDialect)code).Where(dialect => dialect >= rules.Least && dialect <= rules.Most).ToArray();
        if (common.Length == 0)
            return Failed(NtStatus.NotSupported);
        var dialect = common.Max();
        var (ciphers, algorithms) = dialect == SmbDialect.Smb311 ? Offers(reader, contextOffset, contextCount) : ([], []);
        var cipher = dialect == SmbDialect.Smb311 ? rules.Ciphers.FirstOrDefault(ciphers.Contains)
            : dialect >= SmbDialect.Smb300 && rules.Ciphers.Contains(SmbCipher.Aes128Ccm) ? SmbCipher.Aes128Ccm
            : SmbCipher.None;
        var hasAlgorithm = rules.SigningAlgorithms.Any(algorithms.Contains);
        var signing = dialect < SmbDialect.Smb300 ? SmbSigning.HmacSha256
            : hasAlgorithm ? rules.SigningAlgorithms.First(algorithms.Contains)
            : SmbSigning.AesCmac;
        var capabilities = (rules.HasLargeMtu && dialect > SmbDialect.Smb202 ? Capabilities.LargeMtu : 0)
            | (dialect is SmbDialect.Smb300 or SmbDialect.Smb302 && cipher != SmbCipher.None ? Capabilities.Encryption : 0);
        var mode = SecurityMode.SigningEnabled | (rules.RequiresSigning ? SecurityMode.SigningRequired : 0);
        _negotiated = new NegotiateFacts(dialect, signing, cipher, capabilities, mode, clientCapabilities, client, clientMode, dialects);
        if (dialect == SmbDialect.Smb311)
            _preauth = Hash(_preauth, request.Message);
        return Done(NegotiateBody(dialect == SmbDialect.Smb311 ? Contexts(cipher, hasAlgorithm ? signing : null) : [])) with
        {
            Built = message => _preauth = dialect == SmbDialect.Smb311 ? Hash(_preauth, message) : _preauth,
        };
    }

    private static (SmbCipher[] Ciphers, SmbSigning[] Signing) Offers(WireReader message, long offset, int count)
    {
        (SmbCipher[] ciphers, SmbSigning[] signing) = ([], []);
        for (var i = 0; i < count; i++)
        {
            var head = new WireReader(message.At(offset, 8), "context");
            var (type, length) = (head.UInt16(), head.UInt16());
            var data = new WireReader(message.At(offset + 8, length), "context");
            if (type is 2 or 8)
            {
                var values = new int[data.UInt16()];
                for (var k = 0; k < values.Length; k++)
                    values[k] = data.UInt16();
                if (type == 2)
                    ciphers = [.. values.Select(value => (SmbCipher)value)];
                else
                    signing = [.. values.Select(value => (SmbSigning)value)];
            }
            offset = (offset + 8 + length + 7) & ~7L;
        }
        return (ciphers, signing);
    }

    private static List<byte[]> Contexts(SmbCipher cipher, SmbSigning? signing)
    {
        List<byte[]> contexts = [Context(1, [1, 0, 32, 0, 1, 0, .. RandomNumberGenerator.GetBytes(32)])];
        if (cipher != SmbCipher.None)
            contexts.Add(Context(2, [1, 0, (byte)cipher, 0]));
        if (signing is { } algorithm)
            contexts.Add(Context(8, [1, 0, (byte)algorithm, 0]));
        return contexts;
    }

    private static byte[] Context(ushort type, byte[] data) => SmbBody.Of(writer =>
    {
        writer.Write(type);
        writer.Write((ushort)data.Length);
        writer.Write(0);
        writer.Write(data);
    });

    private byte[] NegotiateBody(List<byte[]> contexts)
    {
        var (facts, hint) = (_negotiated!, NtlmAcceptor.Hint());
        var contextOffset = (SmbHeader.Bytes + 64 + hint.Length + 7) & ~7;
        return SmbBody.Of(writer =>
        {
            writer.Write((ushort)65);
            writer.Write((ushort)facts.Mode);
            writer.Write((ushort)facts.Dialect);
            writer.Write((ushort)contexts.Count);
            writer.Write(server.Rules.ServerGuid.ToByteArray());
            writer.Write((uint)facts.Capabilities);
            for (var i = 0; i < 3; i++)
                writer.Write(facts.Capabilities.HasFlag(Capabilities.LargeMtu) ? server.Rules.MaxBytes : Math.Min(server.Rules.MaxBytes, 65536));
            writer.Write(server.Rules.Time.GetUtcNow().ToFileTime());
            writer.Write(0L);
            writer.Write((ushort)(SmbHeader.Bytes + 64));
            writer.Write((ushort)hint.Length);
            writer.Write(contexts.Count == 0 ? 0 : contextOffset);
            writer.Write(hint);
            foreach (var context in contexts)
            {
                while (writer.BaseStream.Position % 8 != 0)
                    writer.Write((byte)0);
                writer.Write(context);
            }
        });
    }

    private Outcome SetUp(ServerRequest request)
    {
        if (_negotiated is not { } facts)
            return Failed(NtStatus.InvalidParameter);
        if (request.Header.SessionId != 0 && request.Session is null)
            return Failed(NtStatus.UserSessionDeleted);
        var session = request.Session ?? server.NewSession(this);
        if (session.Account is not null)
            return Failed(NtStatus.RequestNotAccepted);
        var reader = request.Reader(25);
        reader.Skip(2 + 4 + 4);
        var (offset, length) = (reader.UInt16(), reader.UInt16());
        session.PreviousId = reader.UInt64();
        var token = reader.At(offset, length).ToArray();
        session.Preauth = Hash(session.IsBegun ? session.Preauth : _preauth, request.Message);
        if (!session.IsBegun)
        {
            session.IsBegun = true;
            return new Outcome(NtStatus.MoreProcessingRequired, SetUpBody(SessionFlags.None, session.Acceptor.Begin(token)))
            {
                Session = session,
                Built = message => session.Preauth = Hash(session.Preauth, message),
            };
        }
        var accepted = session.Acceptor.Finish(token);
        var status = accepted is null ? NtStatus.LogonFailure : server.Admit(session, accepted.Account);
        if (accepted is null || status.IsError)
        {
            server.Remove(session.Id);
            return Failed(status) with { Session = session };
        }
        var flags = (accepted.IsGuest ? SessionFlags.Guest : 0) | (accepted.IsAnonymous ? SessionFlags.Anonymous : 0);
        if (accepted.Key.Length > 0)
        {
            using var keys = SessionKeys.Derive(facts.Dialect, accepted.Key, session.Preauth, facts.Cipher);
            session.Take(keys, facts.Signing, facts.Cipher);
            session.MustEncrypt = server.Rules.MustEncrypt && session.Sealing is not null;
            flags |= session.MustEncrypt ? SessionFlags.Encrypt : 0;
        }
        return Done(SetUpBody(flags, accepted.Token)) with { Session = session, Signs = accepted.Key.Length > 0 };
    }

    private static byte[] SetUpBody(SessionFlags flags, byte[] token) => SmbBody.Of(writer =>
    {
        writer.Write((ushort)9);
        writer.Write((ushort)flags);
        writer.Write((ushort)(SmbHeader.Bytes + 8));
        writer.Write((ushort)token.Length);
        writer.Write(token);
    });

    private Outcome ConnectTree(ServerRequest request, ServerSession session)
    {
        var reader = request.Reader(9);
        reader.Skip(2);
        var path = reader.TextAt(reader.UInt16(), reader.UInt16());
        var name = path[(path.LastIndexOf('\\') + 1)..];
        if (!path.StartsWith(@"\\", StringComparison.Ordinal) || !server.Rules.Shares.TryGetValue(name, out var share))
            return Failed(NtStatus.BadNetworkName);
        if (server.Uses(share) >= share.MaxUses)
            return Failed(share.MaxUsesStatus);
        if (share.MustEncrypt && !request.IsEncrypted && session.Sealing is null)
            return Failed(NtStatus.AccessDenied);
        var tree = new ServerTree(session.NextTree(), name, share, session);
        session.Trees.Add(tree.Id, tree);
        return Done(SmbBody.Of(writer =>
        {
            writer.Write((ushort)16);
            writer.Write((byte)(share.Pipes.Count > 0 ? ShareType.Pipe : ShareType.Disk));
            writer.Write((byte)0);
            writer.Write(share.MustEncrypt ? 0x8000 : 0);
            writer.Write(share.IsDfs ? 0x8 : 0);
            writer.Write(0x1F01FF);
        })) with
        { TreeId = tree.Id };
    }

    /// <summary>VALIDATE_NEGOTIATE_INFO (3.3.5.15.12); null when the FSCTL is another.</summary>
    private Outcome? Validate(ServerRequest request)
    {
        var reader = request.Reader(57);
        reader.Skip(2);
        if (reader.UInt32() != IoctlRequest.ValidateNegotiate)
            return null;
        reader.Skip(16);
        var input = new WireReader(reader.At(reader.UInt32(), reader.UInt32()), "VALIDATE_NEGOTIATE_INFO");
        var facts = _negotiated!;
        var isSame = input.UInt32() == facts.ClientCapabilities && input.Guid() == facts.Client && input.UInt16() == facts.ClientMode && input.UInt16() == facts.ClientDialects.Length;
        for (var i = 0; isSame && i < facts.ClientDialects.Length; i++)
            isSame = input.UInt16() == facts.ClientDialects[i];
        if (!isSame)
        {
            // What a server does who sees that NEGOTIATE was changed on its way: it ends the connection without a word.
            Close();
            return Failed(NtStatus.AccessDenied);
        }
        return Done(SmbServerFiles.IoctlBody(IoctlRequest.ValidateNegotiate, SmbBody.Of(writer =>
        {
            writer.Write((uint)facts.Capabilities);
            writer.Write(server.Rules.ServerGuid.ToByteArray());
            writer.Write((ushort)facts.Mode);
            writer.Write((ushort)facts.Dialect);
        })));
    }

    private static byte[] Hash(byte[] before, byte[] message) => SHA512.HashData([.. before, .. message]);
}
