using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Capstan.Site.Store;

namespace Capstan.Site;

/// <summary>Where things lie in a site's directory, with which rights.</summary>
internal sealed class SiteDirectory(string root)
{
    private const UnixFileMode OwnerDirectory = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OwnerFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public string Root { get; } = Path.GetFullPath(root);
    public string Database => Path.Combine(Root, "site.db");
    public string Keys => Path.Combine(Root, "keys");
    public string Quarantine => Path.Combine(Root, "quarantine");
    public string ApiToken => Path.Combine(Root, "api-token");
    /// <summary>Packs of packages; grows with what is published.</summary>
    public string Content => Path.Combine(Root, "content");
    /// <summary>While the site runs: its address, for programs of this machine.</summary>
    public string Listening => Path.Combine(Root, "listening");
    /// <summary>While a restore fills the directory: nothing else takes it up.</summary>
    public string Restoring => Path.Combine(Root, "restoring");
    public string Identity => Path.Combine(Root, "site.json");

    public bool IsSite => File.Exists(Identity);

    /// <summary>Makes the directory for its owner alone. Refuses one that holds something else.</summary>
    /// <remarks>What an interrupted <c>site init</c> left (no site.json yet) is taken up again.</remarks>
    public void Create()
    {
        if (IsSite)
            throw new SiteException($"{Root} holds a site already. Run it with `capstan site run --data {Root}`, or choose another directory.", "site_exists");
        if (Directory.Exists(Root) && Directory.EnumerateFileSystemEntries(Root).Select(Path.GetFileName)
                .FirstOrDefault(name => name is not ("keys" or "api-token" or "lock" or "quarantine" or "site.json.tmp") && name?.StartsWith("site.db", StringComparison.Ordinal) != true) is { } foreign)
            throw new SiteException($"{Root} is not empty (it holds '{foreign}'), and a site does not mix with other files. Choose a new or empty directory.", "directory_not_empty");
        try
        {
            CreateOwned(Root);
            CreateOwned(Keys);
            CreateOwned(Quarantine);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new SiteException($"{Root} cannot be made: {cause.Message} Choose a directory that this user may write, with --data.", "directory_unusable", cause);
        }
    }

    public SiteIdentity ReadIdentity()
    {
        if (!IsSite)
            throw new SiteException($"{Root} is not a site (there is no site.json). Make one with `capstan site init CODE --data {Root}`.", "not_a_site");
        try
        {
            var identity = JsonSerializer.Deserialize(File.ReadAllText(Identity), StoreJson.Default.SiteIdentity);
            if (identity is { Version: 1 } && SiteCodes.Fault(identity.SiteCode) is null)
                return identity;
            throw new SiteException($"{Identity} has version {identity?.Version}; this program knows version 1. Start the newer program that made this site.", "site_newer");
        }
        catch (Exception cause) when (cause is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new SiteException($"{Identity} cannot be read: {cause.Message} Run as the site's owner, or restore the file from a backup.", "not_a_site", cause);
        }
    }

    /// <summary>Durable under its name, or not there: the mark that the site is complete.</summary>
    /// <param name="replace">The site is there, and begins a new epoch.</param>
    public void WriteIdentity(SiteIdentity identity, bool replace = false)
    {
        WriteWhole(Identity, JsonSerializer.SerializeToUtf8Bytes(identity, StoreJson.Default.SiteIdentity), replace);
    }

    public string ReadApiToken()
    {
        try
        {
            return File.ReadAllText(ApiToken, Encoding.ASCII).Trim() is { Length: >= 32 } token
                ? token
                : throw new SiteException($"{ApiToken} is too short to be a token. Delete it: the next start makes a new one.", "api_token_invalid");
        }
        catch (FileNotFoundException)
        {
            return WriteNewApiToken();
        }
    }

    public string WriteNewApiToken()
    {
        var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        File.Delete(ApiToken);
        WriteOwned(ApiToken, Encoding.ASCII.GetBytes(token));
        return token;
    }

    /// <summary>A new file that only the owner reads, flushed to the disk.</summary>
    public static void WriteOwned(string path, ReadOnlySpan<byte> content)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerFile;
        using var file = new FileStream(path, options);
        file.Write(content);
        file.Flush(flushToDisk: true);
    }

    /// <summary>As <see cref="WriteOwned"/>; the file is whole under its name, or not there.</summary>
    public static void WriteWhole(string path, ReadOnlySpan<byte> content, bool replace = true)
    {
        WriteOwned(path + ".tmp", content);
        File.Move(path + ".tmp", path, overwrite: replace);
    }

    public static void CreateOwned(string path)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(path);
        else
        {
            Directory.CreateDirectory(path, OwnerDirectory);
            File.SetUnixFileMode(path, OwnerDirectory);
        }
    }
}
