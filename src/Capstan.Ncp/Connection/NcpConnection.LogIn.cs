using Capstan.Ncp.Crypto;
using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Connection;

public sealed partial class NcpConnection
{
    /// <summary>Somebody is logged in.</summary>
    public bool IsLoggedIn { get; private set; }

    /// <summary>A login that succeeds, with a grace login or without: packets are signed from the next one on.</summary>
    internal async Task LogInAsync(NcpRequest request, string what, PacketSigner signer, CancellationToken cancellationToken)
    {
        var (code, _) = await ExchangeAsync(PacketType.Request, request.Body, cancellationToken);
        if (code.IsError && code != NcpCode.PasswordExpiredWithGrace)
            throw NcpException.Of(code, what);
        IsLoggedIn = true;
        if (IsSigned)
            _signer = signer;
    }

    internal async Task LogOutAsync(NcpRequest request, string what, CancellationToken cancellationToken)
    {
        await AskAsync(request, what, cancellationToken);
        IsLoggedIn = false;
        _signer = null;
    }
}
