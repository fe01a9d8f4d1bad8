using System.Security.Cryptography;
using Capstan.Protocol.Jose;
using Capstan.Protocol.Tuf;

namespace Capstan.Site;

/// <summary>The site's private keys, one PEM file for each role. Only what signs a root needs the root key; its file may be taken away.</summary>
internal sealed class SiteKeys : IDisposable
{
    private const string Root = "root";
    private static readonly string[] OnlineRoles = ["targets", "snapshot", "timestamp", "site", "packages", "client", "policy"];

    private readonly Dictionary<string, ECDsa> _roles;

    private SiteKeys(Dictionary<string, ECDsa> roles, ECDsa receipts, ECDiffieHellman sealing, bool rootPresent)
    {
        _roles = roles;
        Tuf = new TufKeys(roles);
        Receipts = receipts;
        Sealing = sealing;
        SealingKey = Jwk.From(sealing);
        ReceiptsKey = Jwk.From(receipts);
        RootPresent = rootPresent;
    }

    public TufKeys Tuf { get; }
    public ECDsa Receipts { get; }
    public ECDiffieHellman Sealing { get; }
    public Jwk SealingKey { get; }
    public Jwk ReceiptsKey { get; }
    public bool RootPresent { get; }

    /// <summary>Makes every key that is not there yet or cannot be read, so that an interrupted initialization can be finished. Only for a site that is not complete yet.</summary>
    public static void Create(SiteDirectory directory)
    {
        foreach (var role in (IEnumerable<string>)[Root, .. OnlineRoles, "receipts"])
            Make(directory, role, ECDsa.Create, ECDsa.Create);
        Make(directory, "sealing", ECDiffieHellman.Create, ECDiffieHellman.Create);
    }

    /// <exception cref="SiteException">A key other than root's is missing or unreadable.</exception>
    public static SiteKeys Load(SiteDirectory directory)
    {
        var roles = OnlineRoles.ToDictionary(role => role, role => Read(directory, role, ECDsa.Create), StringComparer.Ordinal);
        var rootPresent = System.IO.File.Exists(File(directory, Root));
        if (rootPresent)
            roles[Root] = Read(directory, Root, ECDsa.Create);
        return new SiteKeys(roles, Read(directory, "receipts", ECDsa.Create), Read(directory, "sealing", ECDiffieHellman.Create), rootPresent);
    }

    public void Dispose()
    {
        foreach (var key in _roles.Values)
            key.Dispose();
        Receipts.Dispose();
        Sealing.Dispose();
    }

    private static string File(SiteDirectory directory, string role) => Path.Combine(directory.Keys, $"{role}.key.pem");

    private static void Make<T>(SiteDirectory directory, string role, Func<T> empty, Func<ECCurve, T> generate) where T : ECAlgorithm
    {
        var path = File(directory, role);
        if (System.IO.File.Exists(path) && IsReadable())
            return;
        using var key = generate(ECCurve.NamedCurves.nistP256);
        // Whole under its name, or not there.
        SiteDirectory.WriteOwned(path + ".tmp", System.Text.Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem()));
        System.IO.File.Move(path + ".tmp", path, overwrite: true);

        bool IsReadable()
        {
            try
            {
                Read(directory, role, empty).Dispose();
                return true;
            }
            catch (SiteException)
            {
                return false;
            }
        }
    }

    private static T Read<T>(SiteDirectory directory, string role, Func<T> create) where T : ECAlgorithm
    {
        var path = File(directory, role);
        var key = create();
        try
        {
            key.ImportFromPem(System.IO.File.ReadAllText(path));
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
