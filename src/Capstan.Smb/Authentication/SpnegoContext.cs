namespace Capstan.Smb.Authentication;

/// <summary>One logon by SPNEGO with one mechanism (RFC 4178, [MS-SPNG]). A server that speaks the mechanism without SPNEGO is answered in kind.</summary>
internal sealed class SpnegoContext(IMechanism mechanism) : ISecurityContext
{
    private readonly byte[] _mechTypeList = SpnegoToken.MechTypeList(mechanism.Oid);
    private bool _isBegun;
    private bool _isRaw;

    public ReadOnlyMemory<byte> SessionKey => mechanism.SessionKey;

    public byte[] Next(ReadOnlySpan<byte> serverToken)
    {
        if (!_isBegun)
        {
            _isBegun = true;
            CheckOffer(serverToken);
            return SpnegoToken.WriteInit(_mechTypeList, mechanism.Step([]));
        }

        if (IsRaw(serverToken))
        {
            _isRaw = true;
            return mechanism.Step(serverToken);
        }

        var answer = ReadAnswer(serverToken);
        var token = mechanism.IsComplete && answer.Token.Length == 0 ? [] : mechanism.Step(answer.Token);
        VerifyMechList(answer);
        return SpnegoToken.WriteResp(token, mechanism is { IsComplete: true, CanSign: true } ? mechanism.Sign(_mechTypeList) : []);
    }

    public void Finish(ReadOnlySpan<byte> serverToken)
    {
        if (serverToken.Length > 0 && !_isRaw)
        {
            var answer = ReadAnswer(serverToken);
            if (answer.Token.Length > 0)
                mechanism.Step(answer.Token);
            VerifyMechList(answer);
        }

        if (!mechanism.IsComplete)
            throw LogonFailure.Tampered($"the server let {mechanism.Name} end before it had proved who it is");
    }

    /// <summary>The server's hint ([MS-SPNG] 3.2.5.2). It comes before any key, so it is believed only where it saves a vain attempt.</summary>
    private void CheckOffer(ReadOnlySpan<byte> hint)
    {
        if (hint.IsEmpty)
            return;
        var offered = SpnegoToken.Read(hint.ToArray()).Mechanisms;
        if (offered.Count > 0 && !offered.Any(oid => MechanismNames.AreSame(oid, mechanism.Oid)))
            throw LogonFailure.NotMade($"the server does not take {mechanism.Name} for a logon; it offers {string.Join(", ", offered.Select(MechanismNames.Of).Distinct(StringComparer.Ordinal))}");
    }

    private SpnegoToken ReadAnswer(ReadOnlySpan<byte> serverToken)
    {
        var answer = SpnegoToken.Read(serverToken.ToArray());
        if (answer.State == SpnegoState.Reject)
            throw new SmbException(SmbFailure.Logon, $"the server rejects a logon by {mechanism.Name}", SmbCompletion.Refused, SmbCommand.SessionSetup);
        if (answer.Mechanism is { } chosen && !MechanismNames.AreSame(chosen, mechanism.Oid))
            throw LogonFailure.NotMade($"the server asks for {MechanismNames.Of(chosen)} in place of {mechanism.Name}");
        return answer;
    }

    private void VerifyMechList(SpnegoToken answer)
    {
        if (answer.MechListMic.Length == 0 || mechanism is not { IsComplete: true, CanSign: true })
            return;
        if (!mechanism.Verify(_mechTypeList, answer.MechListMic))
            throw LogonFailure.Tampered("the server's signature of the mechanism list is wrong: somebody changed the logon on its way");
    }

    private static bool IsRaw(ReadOnlySpan<byte> token) => token.StartsWith(NtlmMessages.Signature);

    public void Dispose() => mechanism.Dispose();
}
