using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>Makes enrolment tokens.</summary>
internal sealed class TokenIssuer(SiteContext site, Publisher publisher, CapStore caps, SiteAccounts accounts, TokenStore tokens, BoundaryStore boundaries)
{
    /// <summary>Of all paths as JSON; beside <see cref="AccountHandout.MaxBytes"/> they fit into a token.</summary>
    private const int MaxCapBytes = 16 << 10;

    /// <exception cref="SiteException"><c>no_cap</c>: a client would not know where to begin.</exception>
    public async Task<TokenCreated> CreateAsync(TokenRequest request, CancellationToken cancellationToken)
    {
        var paths = Fitting((await caps.ListAsync(cancellationToken)).Select(cap => cap.Path));
        if (paths.Count == 0)
            throw new SiteException("A token says where a client begins, and this site has no client access point yet. Add one: `capstan cap add PATH`.", "no_cap");
        var root = await publisher.RootAsync(cancellationToken);
        var token = new EnrolmentToken
        {
            SiteCode = site.Site.SiteCode,
            RootHash = root.Hash,
            RootVersion = root.Version,
            Caps = paths,
            Accounts = await accounts.ForTokensAsync(cancellationToken),
            Boundaries = (await boundaries.ListAsync(cancellationToken)).Where(row => row.Cap.Length == 0).Select(row => row.Range).ToList() is { Count: > 0 } ranges ? ranges : null,
            TokenId = Base32.Encode(RandomNumberGenerator.GetBytes(10)),
            Secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32)),
        };
        var now = site.Time.GetUtcNow();
        var expires = now.AddSeconds(request.ExpiresInSeconds);
        await tokens.CreateAsync(token.TokenId, token.Secret, request.Label, request.Uses, now, expires, cancellationToken);
        return new TokenCreated(token.TokenId, token.Encode(), expires, request.Uses);
    }

    /// <summary>The oldest CAPs, as many as a token holds: a client finds all of them in the site's list.</summary>
    private static List<string> Fitting(IEnumerable<string> caps)
    {
        var fitting = new List<string>();
        var bytes = 0;
        foreach (var path in caps.Take(EnrolmentToken.MaxCaps))
        {
            bytes += JsonEncodedText.Encode(path).EncodedUtf8Bytes.Length;
            if (bytes <= MaxCapBytes)
                fitting.Add(path);
        }
        return fitting;
    }
}
