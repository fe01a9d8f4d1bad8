using System.CommandLine;
using Capstan.Nal;
using Capstan.Site.Api;

namespace Capstan.Cli.Sites;

/// <summary>Finds the site that a verb talks to: <c>--url</c>, <c>--data</c>, then <c>./capstan-data/site</c>, then the service's directory.</summary>
/// <remarks>The token goes to this machine's own addresses, or by TLS. A site's directory holds <c>api-token</c> (0600) and, while it runs, <c>listening</c> with the address.</remarks>
internal sealed class SiteLocation
{
    private readonly Option<string?> _data = new("--data") { Description = "The site's directory (default ./capstan-data/site, then /var/lib/capstan)", HelpName = "DIR" };
    private readonly Option<string?> _url = new("--url") { Description = "The site's address, instead of the one in its directory", HelpName = "URL" };
    private readonly Option<string?> _tokenFile = new("--api-token-file") { Description = "File with the API's bearer token, instead of the one in the site's directory", HelpName = "FILE" };

    private readonly Option<string?> _fingerprint = new("--fingerprint") { Description = "SHA-256 of the certificate at --url, when it is the site's own: as its log says it (event 4005)", HelpName = "SHA256" };

    /// <summary>Alone, for verbs that work in the directory and not over the API.</summary>
    public Option Data => _data;

    public Option[] Options => [_data, _url, _tokenFile, _fingerprint];

    /// <summary>Runs <paramref name="work"/> with a client of the site's API.</summary>
    /// <exception cref="CliException">No site, or it does not run; with how to start it.</exception>
    public async Task<int> UseAsync(ParseResult parse, CliHost host, Func<ApiClient, Task<int>> work)
    {
        var found = Find(parse, host);
        var (api, http) = ApiClient.Create(found.Address, found.Token, found.Fingerprint);
        using (http)
        {
            try
            {
                return await work(api);
            }
            catch (HttpRequestException cause) when (cause.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError)
            {
                throw new CliException(found.Directory is null
                    ? $"nothing answers on {found.Address}: {cause.Message} Check --url, or start the site: {host.Command} site run --data DIR"
                    : NotRunning(host, found.Directory), ExitCode.Failed, cause);
            }
            catch (HttpRequestException cause) when (cause.HttpRequestError is HttpRequestError.SecureConnectionError)
            {
                throw new CliException(found.Fingerprint is null
                    ? $"the certificate of {found.Address} is not trusted here. If it is the site's own, give --fingerprint with what its log says (event 4005)."
                    : $"{found.Address} does not show the certificate with this fingerprint. Compare it with the site's log (events 4005 and 4181); if it is right, somebody else answers there.", ExitCode.Failed, cause);
            }
        }
    }

    /// <summary>The site's directory by <c>--data</c> or the usual places; null when there is none.</summary>
    public string? Directory(ParseResult parse, CliHost host) => Directory(parse.GetValue(_data), host);

    /// <summary>As <see cref="Directory(ParseResult, CliHost)"/>.</summary>
    /// <exception cref="CliException">There is none.</exception>
    public string OwnDirectory(ParseResult parse, CliHost host) => Directory(parse, host) ?? throw NoSite(host);

    /// <summary>Address and token.</summary>
    public FoundSite Find(ParseResult parse, CliHost host)
    {
        var url = parse.GetValue(_url);
        var tokenFile = parse.GetValue(_tokenFile);
        var directory = url is not null && tokenFile is not null ? null : Directory(parse.GetValue(_data), host)
            ?? throw NoSite(host);
        var token = ReadSmall(tokenFile is null ? Path.Combine(directory!, "api-token") : host.FullPath(tokenFile));
        var fingerprint = parse.GetValue(_fingerprint)?.Replace(":", "", StringComparison.Ordinal);
        if (fingerprint is not null && (fingerprint.Length != 64 || !fingerprint.All(char.IsAsciiHexDigit) || url?.StartsWith("https:", StringComparison.OrdinalIgnoreCase) != true))
            throw new CliException("--fingerprint takes the 64 hexadecimal digits of a SHA-256, with --url https://…", ExitCode.Usage);
        if (url is null)
            return new FoundSite(ReadListening(directory!) ?? throw new CliException(NotRunning(host, directory!)), token, directory, null);
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            throw new CliException($"'{url}' is not an address: write http://127.0.0.1:8750", ExitCode.Usage);
        // A site speaks without TLS to its own machine only: elsewhere it would be somebody else, who then has the token.
        if (address.Scheme == Uri.UriSchemeHttp && !address.IsLoopback)
            throw new CliException($"{url} would send the token in clear: beyond this machine's loopback addresses write https://{address.Authority}, as the site's --tls says", ExitCode.Usage);
        return new FoundSite(new Uri(address.GetLeftPart(UriPartial.Authority)), token, directory, fingerprint);
    }

    /// <summary>Where the running site of a directory listens; null when none runs.</summary>
    /// <remarks>Believed only while a process holds the directory's lock: a killed site leaves its address behind, and whoever has the port then would be given the token.</remarks>
    public static Uri? ReadListening(string directory)
    {
        var file = Path.Combine(directory, "listening");
        return File.Exists(file) && DirectoryLock.IsTaken(directory) && Uri.TryCreate(ReadSmall(file), UriKind.Absolute, out var address) ? address : null;
    }

    /// <summary>The command that starts the site of a directory.</summary>
    public static string HowToStart(CliHost host, string directory) =>
        IsOfUp(directory) ? $"{host.Command} up --data {Path.GetDirectoryName(directory)}" : $"{host.Command} site run --data {directory}";

    public static bool IsSite(string directory) => File.Exists(Path.Combine(directory, "site.json"));

    private static CliException NoSite(CliHost host) =>
        new($"there is no site in ./capstan-data/site or {Path.Combine(host.ServiceData, "capstan")}. Name its directory with --data, or make one: {host.Command} up", ExitCode.NotFound);

    private static string NotRunning(CliHost host, string directory) => $"the site in {directory} is not running. Start it: {HowToStart(host, directory)}";

    private static bool IsOfUp(string directory) =>
        Path.GetFileName(directory) is "site" && System.IO.Directory.Exists(Path.Combine(Path.GetDirectoryName(directory) ?? "", "client"));

    private static string? Directory(string? given, CliHost host)
    {
        if (given is not null)
        {
            var full = Path.TrimEndingDirectorySeparator(host.FullPath(given));
            // The directory of `up` holds the site's: both names are accepted.
            return IsSite(full) ? full
                : IsSite(Path.Combine(full, "site")) ? Path.Combine(full, "site")
                : throw new CliException($"{full} is not a site's directory. Make one: {host.Command} site init ABC --data {full}", ExitCode.NotFound);
        }
        return new[] { host.FullPath("capstan-data/site"), Path.Combine(host.ServiceData, "capstan") }.FirstOrDefault(IsSite);
    }

    private static string ReadSmall(string file)
    {
        var info = new FileInfo(file);
        if (!info.Exists)
            throw new CliException($"{file} is not there. Is the site of another version, or the path wrong?", ExitCode.NotFound);
        return info.Length <= 4096 ? File.ReadAllText(file).Trim() : throw new CliException($"{file} has {info.Length} bytes; a token or an address has at most 4096.");
    }
}

/// <param name="Directory">Null when address and token were both given.</param>
/// <param name="Fingerprint">SHA-256 of the certificate that the address must show; null for any that is trusted.</param>
internal sealed record FoundSite(Uri Address, string Token, string? Directory, string? Fingerprint)
{
    /// <summary>Without the token.</summary>
    public override string ToString() => $"{Address} ({Directory})";
}
