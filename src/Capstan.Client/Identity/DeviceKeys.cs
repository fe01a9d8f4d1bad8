using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.Jose;

namespace Capstan.Client.Identity;

/// <summary>The two P-256 keys of a device: signing (the identity) and sealing. Files of mode 0600 below <c>keys/</c> (0700).</summary>
internal sealed class DeviceKeys : IDisposable
{
    public const string Folder = "keys";
    public const string SigningFile = "signing.key.pem";
    public const string SealingFile = "sealing.key.pem";

    private DeviceKeys(ECDsa signing, ECDiffieHellman sealing)
    {
        Signing = signing;
        Sealing = sealing;
        Id = DeviceId.FromPublicKey(signing.ExportSubjectPublicKeyInfo());
        SigningJwk = Jwk.From(signing);
        SealingJwk = Jwk.From(sealing);
    }

    public ECDsa Signing { get; }
    public ECDiffieHellman Sealing { get; }
    public DeviceId Id { get; }
    public Jwk SigningJwk { get; }
    public Jwk SealingJwk { get; }

    /// <summary>Makes what is missing, keeps what is there: an interrupted installation goes on with the keys it has.</summary>
    /// <exception cref="ClientException"><c>keys_damaged</c>.</exception>
    public static async ValueTask EnsureAsync(string directory, CancellationToken cancellationToken)
    {
        DurableFile.CreatePrivateDirectory(PathOf(directory, ""));
        // Its name, too, when an interrupted call has made it and nothing more.
        DurableFile.FlushDirectory(directory);
        if (!File.Exists(PathOf(directory, SigningFile)))
        {
            using var signing = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            await DurableFile.WriteAsync(PathOf(directory, SigningFile), Encoding.ASCII.GetBytes(signing.ExportPkcs8PrivateKeyPem()), cancellationToken);
        }
        if (!File.Exists(PathOf(directory, SealingFile)))
        {
            using var sealing = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
            await DurableFile.WriteAsync(PathOf(directory, SealingFile), Encoding.ASCII.GetBytes(sealing.ExportPkcs8PrivateKeyPem()), cancellationToken);
        }
    }

    /// <exception cref="ClientException"><c>keys_damaged</c> when a key is missing or unreadable: it is never replaced silently, since it is the identity.</exception>
    public static DeviceKeys Load(string directory)
    {
        var signing = ECDsa.Create();
        var sealing = ECDiffieHellman.Create();
        try
        {
            Import(signing, PathOf(directory, SigningFile));
            Import(sealing, PathOf(directory, SealingFile));
            return new DeviceKeys(signing, sealing);
        }
        catch
        {
            signing.Dispose();
            sealing.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Signing.Dispose();
        Sealing.Dispose();
    }

    private static string PathOf(string directory, string file) => Path.Combine(directory, Folder, file);

    private static void Import(ECAlgorithm key, string path)
    {
        try
        {
            key.ImportFromPem(File.ReadAllText(path));
            if (key.KeySize != 256)
                throw new CryptographicException($"the key has {key.KeySize} bits, not 256");
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ClientException($"the key {path} is missing or damaged ({e.Message}); restore it from a backup, or uninstall and install again, "
                + "which makes this machine a new client", "keys_damaged", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw ClientErrors.AccessDenied(path, e);
        }
    }
}
