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
    /// <summary>A sealing key that was made by order and that no policy holds yet.</summary>
    public const string NextFile = "sealing-next.key.pem";
    /// <summary>The sealing key before, as long as something is sealed to it alone.</summary>
    public const string FormerFile = "sealing-former.key.pem";

    private DeviceKeys(ECDsa signing, ECDiffieHellman sealing, ECDiffieHellman? next, ECDiffieHellman? former)
    {
        Signing = signing;
        Sealing = sealing;
        Next = next;
        Former = former;
        NextJwk = next is null ? null : Jwk.From(next);
        Id = DeviceId.FromPublicKey(signing.ExportSubjectPublicKeyInfo());
        SigningJwk = Jwk.From(signing);
        SealingJwk = Jwk.From(sealing);
    }

    public ECDsa Signing { get; }
    public ECDiffieHellman Sealing { get; }
    public DeviceId Id { get; }
    public Jwk SigningJwk { get; }
    public Jwk SealingJwk { get; }

    /// <summary>See <see cref="NextFile"/>; null for none.</summary>
    public ECDiffieHellman? Next { get; }
    public Jwk? NextJwk { get; }

    /// <summary>See <see cref="FormerFile"/>; null for none.</summary>
    public ECDiffieHellman? Former { get; }

    /// <summary>The private key for what is sealed to a key id; the present one where it is none of ours.</summary>
    public ECDiffieHellman SealingFor(string keyId) =>
        Next is not null && NextJwk!.Thumbprint() == keyId ? Next
        : Former is not null && Jwk.From(Former).Thumbprint() == keyId ? Former
        : Sealing;

    /// <summary>Makes what is missing, keeps what is there: an interrupted installation goes on with the keys it has.</summary>
    /// <exception cref="ClientException"><c>keys_damaged</c>.</exception>
    public static async ValueTask EnsureAsync(string directory, CancellationToken cancellationToken)
    {
        DurableFile.CreatePrivateDirectory(PathOf(directory, ""));
        // Its name, too, when an interrupted call has made it and nothing more.
        DurableFile.FlushDirectory(directory);
        if (!File.Exists(PathOf(directory, SigningFile)))
        {
            using var signing = P256.NewSigning();
            await DurableFile.WriteAsync(PathOf(directory, SigningFile), Encoding.ASCII.GetBytes(signing.ExportPkcs8PrivateKeyPem()), cancellationToken);
        }
        if (!File.Exists(PathOf(directory, SealingFile)))
        {
            using var sealing = P256.NewSealing();
            await DurableFile.WriteAsync(PathOf(directory, SealingFile), Encoding.ASCII.GetBytes(sealing.ExportPkcs8PrivateKeyPem()), cancellationToken);
        }
    }

    /// <exception cref="ClientException"><c>keys_damaged</c> when a key is missing or unreadable: it is never replaced silently, since it is the identity.</exception>
    public static DeviceKeys Load(string directory)
    {
        // Interrupted between the two renames of a change: see Promote.
        if (!File.Exists(PathOf(directory, SealingFile)) && File.Exists(PathOf(directory, NextFile)) && File.Exists(PathOf(directory, FormerFile)))
            Move(directory, NextFile, SealingFile);
        var loaded = new List<ECAlgorithm>();
        try
        {
            return new DeviceKeys(Read(P256.Signing(), SigningFile), Read(P256.Sealing(), SealingFile), Optional(NextFile), Optional(FormerFile));
        }
        catch
        {
            foreach (var key in loaded)
                key.Dispose();
            throw;
        }

        T Read<T>(T key, string file) where T : ECAlgorithm
        {
            loaded.Add(key);
            Import(key, PathOf(directory, file));
            return key;
        }

        ECDiffieHellman? Optional(string file) => File.Exists(PathOf(directory, file)) ? Read(P256.Sealing(), file) : null;
    }

    /// <summary>Makes the next sealing key; one that is there already stays: it was announced, or will be.</summary>
    public static async ValueTask EnsureNextAsync(string directory, CancellationToken cancellationToken)
    {
        if (File.Exists(PathOf(directory, NextFile)))
            return;
        using var next = P256.NewSealing();
        await DurableFile.WriteAsync(PathOf(directory, NextFile), Encoding.ASCII.GetBytes(next.ExportPkcs8PrivateKeyPem()), cancellationToken);
    }

    /// <summary>Makes the next sealing key the present one.</summary>
    /// <param name="keepFormer">Something is sealed to the present one alone. A crash between the two renames is finished by <see cref="Load"/>.</param>
    public static void Promote(string directory, bool keepFormer)
    {
        if (keepFormer)
            Move(directory, SealingFile, FormerFile);
        Move(directory, NextFile, SealingFile);
    }

    /// <summary>Nothing is sealed to the former key any more.</summary>
    public static void RemoveFormer(string directory)
    {
        File.Delete(PathOf(directory, FormerFile));
        DurableFile.FlushDirectory(PathOf(directory, ""));
    }

    public void Dispose()
    {
        Signing.Dispose();
        Sealing.Dispose();
        Next?.Dispose();
        Former?.Dispose();
    }

    private static void Move(string directory, string from, string to)
    {
        File.Move(PathOf(directory, from), PathOf(directory, to), overwrite: true);
        DurableFile.FlushDirectory(PathOf(directory, ""));
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
