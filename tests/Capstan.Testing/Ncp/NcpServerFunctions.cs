using System.Security.Cryptography;
using System.Text;
using Capstan.Ncp.Crypto;

namespace Capstan.Testing.Ncp;

/// <summary>What the server does for a request, but for files. Called under the gate.</summary>
internal sealed class NcpServerFunctions(NcpTestServer server)
{
    private readonly NcpServerFiles _files = new(server);
    private readonly Dictionary<int, PacketSigner> _signers = [];

    private NcpServerRules Rules => server.Rules;

    /// <summary>Of a login that has just been answered: packets are signed from the next one on.</summary>
    public PacketSigner? TakeSigner(NcpServerConnection mine) => _signers.Remove(mine.Number, out var signer) ? signer : null;

    public (byte Code, byte[] Data) Perform(NcpServerConnection mine, byte function, ReadOnlySpan<byte> body, out int subfunction)
    {
        var fields = new NcpFields(body);
        subfunction = -1;
        try
        {
            if (function is 0x16 or 0x17)
            {
                if (fields.Big16() != fields.Left)
                    throw new NcpServerException(0x7E);
                subfunction = fields.Byte();
            }
            else if (function == 0x57)
            {
                subfunction = fields.Byte();
            }
            var answer = new NcpAnswer();
            switch (function)
            {
                case 0x14:
                    answer.Time(Now());
                    break;
                case 0x19:
                    LogOut(mine);
                    break;
                case 0x17:
                    Bindery(mine, subfunction, ref fields, answer);
                    break;
                case 0x21:
                    mine.BufferBytes = Math.Min(fields.Big16(), Rules.BufferBytes);
                    answer.Big16(mine.BufferBytes);
                    break;
                case 0x61 when Rules.KnowsOptions:
                    Negotiate(mine, ref fields, answer);
                    break;
                case 0x16 or 0x3B or 0x42 or 0x48 or 0x49 or 0x57:
                    _files.Perform(mine, function, subfunction, ref fields, answer);
                    break;
                default:
                    throw new NcpServerException(0xFB);
            }
            return (0, answer.ToArray());
        }
        catch (NcpServerException refused)
        {
            return (refused.Code, []);
        }
    }

    private DateTime Now() => (Rules.Time.GetUtcNow() + Rules.Zone).DateTime;

    private void Negotiate(NcpServerConnection mine, ref NcpFields fields, NcpAnswer answer)
    {
        mine.BufferBytes = Math.Min(fields.Big16(), Rules.BufferBytes);
        var offered = (fields.Byte() & 2) != 0;
        mine.MaySign = (offered && Rules.Signing != NcpServerSigning.Never) || Rules.Signing == NcpServerSigning.Required;
        answer.Big16(mine.BufferBytes).Big16(0x4005).Byte(mine.MaySign ? 2 : 0);
        mine.MaySign &= offered;
    }

    private static void LogOut(NcpServerConnection mine)
    {
        foreach (var file in mine.Files.Values)
            file.Stream.Dispose();
        mine.Files.Clear();
        (mine.User, mine.LoggedIn, mine.Signer) = (null, null, null);
    }

    private void Bindery(NcpServerConnection mine, int subfunction, ref NcpFields fields, NcpAnswer answer)
    {
        switch (subfunction)
        {
            case 0x11:
                answer.Fixed(Rules.Name, 48).Byte(3).Byte(12).Big16(Rules.MaxConnections).Big16(server.Connections.Count).Big16(Rules.Volumes.Count)
                    .Byte(0).Byte(2).Byte(1).Big16(server.Peak).Byte(1).Byte(1).Byte(1).Byte(1).Byte(1).Byte(1).Byte(1).Zero(60);
                break;
            case 0x17:
                mine.LoginKey = RandomNumberGenerator.GetBytes(8);
                answer.Bytes(mine.LoginKey);
                break;
            case 0x18:
                LogIn(mine, ref fields);
                break;
            case 0x1A:
                var there = Find(fields.Little32());
                if (Rules.HidesAddresses)
                    throw new NcpServerException(0xFB);
                answer.Bytes(there.Remote.Address.MapToIPv4().GetAddressBytes()).Zero(6).Big16(there.Remote.Port).Byte(11);
                break;
            case 0x1B:
                Numbers(ref fields, answer);
                break;
            case 0x1C:
                var asked = Find(fields.Little32());
                Object(asked.User, answer).Time(asked.LoggedIn).Byte(0);
                break;
            case 0x35:
                _ = fields.Big16() == 1 ? 0 : throw new NcpServerException(0xFC);
                var name = fields.Text();
                if (!Rules.Users.ContainsKey(name))
                    throw new NcpServerException(0xFC);
                Object(name, answer);
                break;
            case 0xFE:
                if (mine.User is null || !Rules.Users[mine.User].IsOperator)
                    throw new NcpServerException(0xC6);
                server.Free(Find(fields.Little32()).Number);
                break;
            default:
                throw new NcpServerException(0xFB);
        }
    }

    private void LogIn(NcpServerConnection mine, ref NcpFields fields)
    {
        var proof = fields.Take(8).ToArray();
        fields.Big16();
        var name = fields.Text();
        if (!Rules.Users.TryGetValue(name, out var user))
            throw new NcpServerException(0xFC);
        var (hash, expected) = (new byte[16], new byte[8]);
        BinderyCipher.Hash(user.Id, user.Password, hash);
        BinderyCipher.Prove(mine.LoginKey, hash, expected);
        if (!proof.AsSpan().SequenceEqual(expected))
            throw new NcpServerException(0xFF);
        if (user.LoginCode is not (0 or 0xDF))
            throw new NcpServerException(user.LoginCode);
        if (mine.User is null && Rules.Licences is { } most && server.Connections.Values.Count(one => one.User is not null) >= most)
            throw new NcpServerException(Rules.LicenceCode);
        var now = Now();
        (mine.User, mine.LoggedIn) = (name.ToUpperInvariant(), now.AddTicks(-(now.Ticks % TimeSpan.TicksPerSecond)));
        server.PeakLogins = Math.Max(server.PeakLogins, server.Connections.Values.Count(one => one.User is not null));
        if (mine.MaySign)
            _signers[mine.Number] = new PacketSigner(hash, mine.LoginKey);
        if (user.LoginCode != 0)
            throw new NcpServerException(user.LoginCode);
    }

    private void Numbers(ref NcpFields fields, NcpAnswer answer)
    {
        var after = fields.Little32();
        fields.Big16();
        var name = fields.Text();
        var numbers = server.Connections.Values.Where(one => one.Number > after && string.Equals(one.User, name, StringComparison.OrdinalIgnoreCase)).Select(one => one.Number).Take(60).ToArray();
        answer.Byte(numbers.Length);
        foreach (var number in numbers)
            answer.Little32((uint)number);
    }

    private NcpServerConnection Find(uint number) => server.Connections.TryGetValue((int)number, out var found) ? found : throw new NcpServerException(0xFD);

    private NcpAnswer Object(string? name, NcpAnswer answer) =>
        name is null ? answer.Zero(4 + 2 + 48) : answer.Big32(Rules.Users[name].Id).Big16(1).Fixed(name.ToUpperInvariant(), 48);
}
