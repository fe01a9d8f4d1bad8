using System.Buffers.Text;
using System.Security.Cryptography;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>Makes enrolment tokens.</summary>
internal sealed class TokenIssuer(SiteContext site, Publisher publisher, CapStore caps, SiteAccounts accounts, TokenStore tokens)
{
    public async Task<TokenCreated> CreateAsync(TokenRequest request, CancellationToken cancellationToken)
    {
        var root = await publisher.RootAsync(cancellationToken);
        var token = new EnrolmentToken
        {
            SiteCode = site.Site.SiteCode,
            RootHash = root.Hash,
            RootVersion = root.Version,
            Caps = [.. (await caps.ListAsync(cancellationToken)).Select(cap => cap.Path)],
            Accounts = await accounts.ForClientsAsync(cancellationToken),
            TokenId = Base32.Encode(RandomNumberGenerator.GetBytes(10)),
            Secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32)),
        };
        var now = site.Time.GetUtcNow();
        var expires = now.AddSeconds(request.ExpiresInSeconds);
        await tokens.CreateAsync(token.TokenId, token.Secret, request.Label, request.Uses, now, expires, cancellationToken);
        return new TokenCreated(token.TokenId, token.Encode(), expires, request.Uses);
    }
}
