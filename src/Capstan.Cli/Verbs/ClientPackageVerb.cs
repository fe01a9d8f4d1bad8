using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan client package</c>: the generic installers of the agent, and beside them what makes a machine a client of this site.</summary>
internal static class ClientPackageVerb
{
    /// <summary>Names the directory of the installers where it is not the usual one.</summary>
    public const string InstallersVariable = "CAPSTAN_INSTALLERS";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private static readonly string[] s_kinds = [".deb", ".rpm", ".run", ".zip"];

    public static Verb Create(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var directory = new Option<string?>("--out") { Description = "Where to put them (default ./capstan-client-CODE); made, if it is not there", HelpName = "DIR" };
        var installers = new Option<string?>("--installers") { Description = "Directory with the installers of a release (default: those that came with this program)", HelpName = "DIR" };
        var tokenFile = new Option<string?>("--token-file") { Description = "A token that was made before (default: makes one); - reads the input", HelpName = "FILE" };
        var uses = new Option<int>("--uses") { Description = "How many machines may use the token that is made (default 1)", HelpName = "N", DefaultValueFactory = _ => 1, Validators = { result => Arguments.AtLeast(result, 1) } };
        var expires = Arguments.Duration("--expires", "How long that token can be used (default 7d, at most 366d)", "7d", TimeSpan.FromDays(7), TimeSpan.FromSeconds(TokenRequest.LongestSeconds));
        var label = new Option<string?>("--label") { Description = "A name by which rules and people know that token", HelpName = "TEXT" };
        return new Verb("package", $"Put the installers of the agent and this site's {InstallFile.Name} into a directory; {InstallFile.Name} is a secret",
                "capstan client package", "capstan client package --out /mnt/stick/capstan --uses 20 --expires 2d")
            .With(directory, installers, tokenFile, uses, expires, label, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var found = Installers(host, parse.GetValue(installers));
                var token = parse.GetValue(tokenFile) is { } file
                    ? await KnownAsync(api, await TextAsync(host, file, cancellationToken), cancellationToken)
                    : await api.CreateTokenAsync(new TokenRequest(parse.GetValue(uses), (int)parse.GetValue(expires).TotalSeconds, parse.GetValue(label)), cancellationToken);
                var content = EnrolmentToken.Decode(token.Token);
                var target = host.FullPath(parse.GetValue(directory) ?? $"capstan-client-{content.SiteCode}");
                var written = await WriteAsync(target, found, InstallFile.Encode(token.Token, token.ExpiresAt, token.Uses), cancellationToken);
                if (parse.GetValue(output) is var format && format != OutputFormat.Table)
                {
                    var package = new ClientPackage(target, written, token.TokenId, token.ExpiresAt, token.Uses);
                    await Rows.WriteAsync(host, format, [package], package);
                    return ExitCode.Done;
                }
                foreach (var name in written)
                    await host.Out.WriteLineAsync(Path.Combine(target, name));
                await host.Error.WriteLineAsync($"{InstallFile.Name} is a secret until {Display.Utc(token.ExpiresAt)}: it makes {Display.Plural(token.Uses, "machine")} a client of site {content.SiteCode}"
                    + $"{(content.Accounts is { Count: > 0 } ? ", and holds the accounts that open its CAPs" : "")}. On the machine: docs/operations.md, or {InstallerHint(found)}");
                return ExitCode.Done;
            }));
    }

    private static Listing<ClientPackage> Rows { get; } = new([],
        [
            new("directory", package => package.Directory), new("files", package => string.Join(' ', package.Files)), new("tokenId", package => package.TokenId),
            new("expiresAt", package => package.ExpiresAt), new("uses", package => package.Uses),
        ],
        CliJson.Default, "");

    private static string InstallerHint(IReadOnlyList<string> installers) => installers.FirstOrDefault(path => path.EndsWith(".run", StringComparison.Ordinal)) is { } archive
        ? $"sudo sh {Path.GetFileName(archive)}"
        : $"install the agent, then: sudo capstan-client install --file {InstallFile.Name}";

    /// <summary>Full paths, in order; none when none came with this program.</summary>
    /// <exception cref="CliException">The directory that was named has none.</exception>
    private static IReadOnlyList<string> Installers(CliHost host, string? named)
    {
        var folder = named is not null ? host.FullPath(named) : host.Environment(InstallersVariable) is { Length: > 0 } variable ? variable : Path.Combine(AppContext.BaseDirectory, "installers");
        IReadOnlyList<string> found = Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder, "capstan-client*").Where(path => s_kinds.Contains(Path.GetExtension(path), StringComparer.Ordinal)).Order(StringComparer.Ordinal)]
            : [];
        return found.Count > 0 || named is null
            ? found
            : throw new CliException($"there is no installer of the agent (capstan-client*.deb, .rpm, .run or .zip) in {folder}; packaging/build.sh makes them", ExitCode.NotFound);
    }

    /// <summary>A token that the site knows, with how long and how often it can be used.</summary>
    private static async Task<TokenCreated> KnownAsync(ApiClient api, string text, CancellationToken cancellationToken)
    {
        var id = EnrolmentToken.Decode(text).TokenId;
        return (await api.TokensAsync(cancellationToken)).FirstOrDefault(token => token.TokenId == id) is { UsesLeft: > 0 } row
            ? new TokenCreated(id, text, row.ExpiresAt, row.UsesLeft)
            : throw new CliException("this site does not know the token, or it is used up; leave --token-file out, and a new one is made", ExitCode.NotFound);
    }

    private static async Task<string> TextAsync(CliHost host, string file, CancellationToken cancellationToken)
    {
        if (file != "-")
            return InstallFile.TokenIn(await File.ReadAllTextAsync(host.FullPath(file), cancellationToken));
        using var reader = new StreamReader(host.OpenInput());
        return InstallFile.TokenIn(await reader.ReadToEndAsync(cancellationToken));
    }

    /// <summary>The installers first: what is a secret comes into a directory in which all the rest is done.</summary>
    /// <returns>File names.</returns>
    private static async Task<IReadOnlyList<string>> WriteAsync(string directory, IReadOnlyList<string> installers, string install, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(directory);
        foreach (var installer in installers)
            File.Copy(installer, Path.Combine(directory, Path.GetFileName(installer)), overwrite: true);
        var path = Path.Combine(directory, InstallFile.Name);
        var temporary = path + ".tmp";
        File.Delete(temporary);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        var writer = new StreamWriter(temporary, options);
        await using (writer.ConfigureAwait(false))
            await writer.WriteAsync(install.AsMemory(), cancellationToken);
        File.Move(temporary, path, overwrite: true);
        return [.. installers.Select(installer => Path.GetFileName(installer)), InstallFile.Name];
    }
}

/// <summary>What <c>capstan client package -o json</c> prints. Stable: members are added, never renamed.</summary>
/// <param name="Files">Names in <paramref name="Directory"/>; the last is the secret.</param>
internal sealed record ClientPackage(string Directory, IReadOnlyList<string> Files, string TokenId, DateTimeOffset ExpiresAt, int Uses);
