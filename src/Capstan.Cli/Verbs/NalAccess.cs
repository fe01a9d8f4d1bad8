using System.CommandLine;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Cli.Verbs;

/// <summary>How a <c>nal</c> verb reaches its path: the account, and the patience for a server that is full.</summary>
internal sealed class NalAccess
{
    private readonly Option<TimeSpan> _timeout =
        Arguments.Duration("--timeout", "How long to wait for a server that is full (default 30s, at most 10m)", "30s", TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(10));

    private readonly Credentials _credentials = Credentials.Plain();

    public Symbol[] Options => [_timeout, .. _credentials.Options];

    /// <exception cref="CliException">An account without a password.</exception>
    public async Task<LeasePurpose> PurposeAsync(ParseResult parse, CliHost host, CancellationToken cancellationToken)
    {
        var account = await _credentials.ReadAsync(parse, host, cancellationToken);
        return new LeasePurpose("nal", Wait: parse.GetValue(_timeout))
        {
            Accounts = account is { } given ? [new ConnectionAccount(given.Name, new Secret(given.Password))] : [],
        };
    }

    /// <summary>As <see cref="NalSession.UseAsync"/>, with what the options say.</summary>
    public async Task<int> UseAsync(ParseResult parse, CliHost host, NalPath path, Func<IStore, Task<int>> work, CancellationToken cancellationToken) =>
        await NalSession.UseAsync(host, path, await PurposeAsync(parse, host, cancellationToken), work, cancellationToken);

    /// <summary>As <see cref="NalSession.UseEntryAsync"/>, with what the options say.</summary>
    public async Task<int> UseEntryAsync(ParseResult parse, CliHost host, NalPath path, Func<IStore, StorePath, Task<int>> work, CancellationToken cancellationToken) =>
        await NalSession.UseEntryAsync(host, path, await PurposeAsync(parse, host, cancellationToken), work, cancellationToken);
}
