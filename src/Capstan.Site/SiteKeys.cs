using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol.Jose;
using Capstan.Protocol.Tuf;

namespace Capstan.Site;

/// <summary>A sealing key that was replaced; what was sealed to it is still opened.</summary>
/// <param name="Until">By the wall clock.</param>
internal sealed record FormerSealing(ECDiffieHellman Key, Jwk Public, DateTimeOffset Until);

/// <summary>The site's private keys, one PEM file for each role. Only what signs a root needs the root key; its file may be taken away.</summary>
internal sealed class SiteKeys : IDisposable
{
    public const string Root = "root";
    public const string SealingRole = "sealing";
    public const string ReceiptsRole = "receipts";
    /// <summary>Where the keys of a rotation wait until the store names them.</summary>
    public const string NextFolder = "next";
    private const string Extension = ".key.pem";
    private const string FormerPrefix = "sealing-former-";

    /// <summary>Roles of the metadata whose keys are needed to publish.</summary>
    public static readonly IReadOnlyList<string> OnlineRoles = ["targets", "snapshot", "timestamp", "site", "packages", "client", "policy"];

    private readonly Dictionary<string, ECDsa> _roles;

    private SiteKeys(Dictionary<string, ECDsa> roles, ECDsa receipts, ECDiffieHellman sealing, IReadOnlyList<FormerSealing> former, bool rootPresent)
    {
        _roles = roles;
        Tuf = new TufKeys(roles);
        Receipts = receipts;
        Sealing = sealing;
        SealingKey = Jwk.From(sealing);
        ReceiptsKey = Jwk.From(receipts);
        Former = former;
        RootPresent = rootPresent;
    }

    public TufKeys Tuf { get; }
    public ECDsa Receipts { get; }
    public ECDiffieHellman Sealing { get; }
    public Jwk SealingKey { get; }
    public Jwk ReceiptsKey { get; }
    /// <summary>The newest first.</summary>
    public IReadOnlyList<FormerSealing> Former { get; }
    public bool RootPresent { get; }

    /// <summary>Makes every key that is not there yet or cannot be read, so that an interrupted initialization can be finished. Only for a site that is not complete yet.</summary>
    public static void Create(SiteDirectory directory)
    {
        foreach (var role in (IEnumerable<string>)[Root, .. OnlineRoles, ReceiptsRole])
            Make(PathOf(directory, role), P256.Signing, P256.NewSigning);
        Make(PathOf(directory, SealingRole), P256.Sealing, P256.NewSealing);
    }

    /// <summary>Makes a key of a role in a folder of its own, in place of one that is there.</summary>
    public static void CreateNext(SiteDirectory directory, string role)
    {
        using ECAlgorithm key = role == SealingRole ? P256.NewSealing() : P256.NewSigning();
        SiteDirectory.WriteOwned(NextPathOf(directory, role), Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem()));
    }

    /// <param name="next">Takes the keys of a rotation before those that are in place.</param>
    /// <exception cref="SiteException">A key other than root's is missing or unreadable.</exception>
    public static SiteKeys Load(SiteDirectory directory, bool next = false)
    {
        var roles = OnlineRoles.ToDictionary(role => role, role => Read(Place(role), P256.Signing), StringComparer.Ordinal);
        var rootPresent = File.Exists(Place(Root));
        if (rootPresent)
            roles[Root] = Read(Place(Root), P256.Signing);
        return new SiteKeys(roles, Read(Place(ReceiptsRole), P256.Signing), Read(Place(SealingRole), P256.Sealing), ReadFormer(directory), rootPresent);

        string Place(string role) => next && File.Exists(NextPathOf(directory, role)) ? NextPathOf(directory, role) : PathOf(directory, role);
    }

    /// <summary>Any signing key, for example a root key that somebody brings.</summary>
    /// <exception cref="SiteException">It cannot be read.</exception>
    public static ECDsa ReadSigning(string path) => Read(path, P256.Signing);

    /// <summary>The private key for what is sealed to a key id: the present one, or a former one whose time has not passed. Null for none.</summary>
    public ECDiffieHellman? SealingFor(string keyId, DateTimeOffset now) => keyId == SealingKey.Thumbprint()
        ? Sealing
        : Former.FirstOrDefault(former => former.Until > now && former.Public.Thumbprint() == keyId)?.Key;

    public static string PathOf(SiteDirectory directory, string role) => Path.Combine(directory.Keys, role + Extension);

    public static string NextPathOf(SiteDirectory directory, string role) => Path.Combine(directory.Keys, NextFolder, role + Extension);

    /// <summary>Where a sealing key lies that was replaced.</summary>
    public static string FormerPathOf(SiteDirectory directory, DateTimeOffset until) =>
        Path.Combine(directory.Keys, string.Create(CultureInfo.InvariantCulture, $"{FormerPrefix}{until.ToUnixTimeSeconds()}{Extension}"));

    /// <summary>Files of former sealing keys, and until when each opens.</summary>
    public static IEnumerable<(string Path, DateTimeOffset Until)> FormerFiles(SiteDirectory directory)
    {
        if (!Directory.Exists(directory.Keys))
            yield break;
        foreach (var path in Directory.EnumerateFiles(directory.Keys, FormerPrefix + "*" + Extension))
        {
            if (long.TryParse(Path.GetFileName(path)[FormerPrefix.Length..^Extension.Length], NumberStyles.None, CultureInfo.InvariantCulture, out var until))
                yield return (path, DateTimeOffset.FromUnixTimeSeconds(Math.Min(until, DateTimeOffset.MaxValue.ToUnixTimeSeconds())));
        }
    }

    public void Dispose()
    {
        foreach (var key in _roles.Values)
            key.Dispose();
        Receipts.Dispose();
        Sealing.Dispose();
        foreach (var former in Former)
            former.Key.Dispose();
    }

    private static List<FormerSealing> ReadFormer(SiteDirectory directory)
    {
        var former = new List<FormerSealing>();
        foreach (var (path, until) in FormerFiles(directory))
        {
            var key = Read(path, P256.Sealing);
            former.Add(new FormerSealing(key, Jwk.From(key), until));
        }
        return [.. former.OrderByDescending(key => key.Until)];
    }

    private static void Make<T>(string path, Func<T> empty, Func<T> generate) where T : ECAlgorithm
    {
        if (File.Exists(path) && IsReadable())
            return;
        using var key = generate();
        SiteDirectory.WriteWhole(path, Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem()));

        bool IsReadable()
        {
            try
            {
                Read(path, empty).Dispose();
                return true;
            }
            catch (SiteException)
            {
                return false;
            }
        }
    }

    private static T Read<T>(string path, Func<T> create) where T : ECAlgorithm
    {
        var key = create();
        try
        {
            key.ImportFromPem(File.ReadAllText(path));
            return key;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException or ArgumentException or CryptographicException)
        {
            key.Dispose();
            // The cause's text could quote the file: only its type is told.
            throw new SiteException($"The key {path} cannot be read ({cause.GetType().Name}). Run as the site's owner, or restore it from a backup of the site's keys.", "key_unreadable", cause);
        }
    }
}
