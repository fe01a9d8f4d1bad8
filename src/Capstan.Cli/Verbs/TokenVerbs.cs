using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan token create|list</c></summary>
internal static class TokenVerbs
{
    public static Command Create(CliHost host) => new Verb("token", "Enrolment tokens: what a new client needs", "capstan token create --uses 20 --expires 2d")
        .With(CreateToken(host), List(host));

    private static Verb CreateToken(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var uses = new Option<int>("--uses") { Description = "How many machines may use it (default 1)", HelpName = "N", DefaultValueFactory = _ => 1, Validators = { result => Arguments.AtLeast(result, 1) } };
        var expires = Arguments.Duration("--expires", "How long it can be used (default 7d, at most 366d)", "7d", TimeSpan.FromDays(7), TimeSpan.FromSeconds(TokenRequest.LongestSeconds));
        var label = new Option<string?>("--label") { Description = "A name by which rules and people know it", HelpName = "TEXT" };
        return new Verb("create", "Make an enrolment token. It is a secret: it is shown once, alone on standard output",
                "capstan token create", "capstan token create | capstan-client install --token-file -", "capstan token create --uses 20 --expires 2d --label lab")
            .With(uses, expires, label, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var request = new TokenRequest(parse.GetValue(uses), (int)parse.GetValue(expires).TotalSeconds, parse.GetValue(label));
                var created = await api.CreateTokenAsync(request, cancellationToken);
                if (parse.GetValue(output) is var format && format != OutputFormat.Table)
                {
                    await Created.WriteAsync(host, format, [created], created);
                    return ExitCode.Done;
                }
                await host.Out.WriteLineAsync(created.Token);
                await host.Error.WriteLineAsync($"For {Display.Plural(created.Uses, "machine")}, until {Display.Utc(created.ExpiresAt)}. Keep it secret. On the machine: capstan-client install --token-file FILE");
                return ExitCode.Done;
            }));
    }

    private static Verb List(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        return new Verb("list", "Enrolment tokens, newest first; expired and used-up ones stay listed for a while", "capstan token list")
            .With(output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await Rows(host).WriteAsync(host, parse.GetValue(output), await api.TokensAsync(cancellationToken));
                return ExitCode.Done;
            }));
    }

    private static readonly Listing<TokenCreated> Created = new([],
        [new("tokenId", token => token.TokenId), new("token", token => token.Token), new("expiresAt", token => token.ExpiresAt), new("uses", token => token.Uses)],
        ApiJson.Default, "");

    private static Listing<TokenRow> Rows(CliHost host) => new(
        [
            new("ID", token => token.TokenId, NoWrap: true),
            new("LABEL", token => token.Label),
            new("USES LEFT", token => Display.Count(token.UsesLeft), IsNumber: true),
            new("EXPIRES", token => Display.Relative(token.ExpiresAt, host.Time.GetUtcNow()), NoWrap: true),
        ],
        [
            new("tokenId", token => token.TokenId), new("label", token => token.Label), new("usesLeft", token => token.UsesLeft),
            new("createdAt", token => token.CreatedAt), new("expiresAt", token => token.ExpiresAt),
        ],
        ApiJson.Default, $"No token. Make one: {host.Command} token create");
}
