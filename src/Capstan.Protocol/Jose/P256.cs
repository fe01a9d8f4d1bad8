using System.Security.Cryptography;

namespace Capstan.Protocol.Jose;

/// <summary>Where keys on P-256 come from: the one seam behind which signing, verifying and agreeing on secrets lie. Thread-safe.</summary>
/// <remarks>
/// The platform's cryptography. A simulation in which cryptography would take most of the time puts keys of its own in its place, for its own flow of calls only;
/// both pass one conformance suite (<c>KeyConformance</c>). Programs have no way to do so.
/// </remarks>
public static class P256
{
    private static readonly AsyncLocal<IKeyMaker?> s_other = new();

    /// <summary>A signing key without a value: import one. The caller disposes of it.</summary>
    public static ECDsa Signing() => s_other.Value?.Signing() ?? ECDsa.Create();

    /// <summary>A key for agreeing on secrets, without a value: import one. The caller disposes of it.</summary>
    public static ECDiffieHellman Sealing() => s_other.Value?.Sealing() ?? ECDiffieHellman.Create();

    /// <summary>A new private key. The caller disposes of it.</summary>
    public static ECDsa NewSigning() => With(Signing(), static key => key.GenerateKey(ECCurve.NamedCurves.nistP256));

    /// <summary>A new private key. The caller disposes of it.</summary>
    public static ECDiffieHellman NewSealing() => With(Sealing(), static key => key.GenerateKey(ECCurve.NamedCurves.nistP256));

    /// <summary>The key with these values, which were checked. The caller disposes of it.</summary>
    internal static ECDsa Signing(ECParameters values) => With(Signing(), key => key.ImportParameters(values));

    /// <summary>The key with these values, which were checked. The caller disposes of it.</summary>
    internal static ECDiffieHellman Sealing(ECParameters values) => With(Sealing(), key => key.ImportParameters(values));

    /// <summary>From here on, in this flow of calls and those that begin in it, keys are made by <paramref name="keys"/>.</summary>
    internal static void Use(IKeyMaker keys) => s_other.Value = keys;

    private static T With<T>(T key, Action<T> fill) where T : ECAlgorithm
    {
        try
        {
            fill(key);
            return key;
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }
}

/// <summary>Makes keys without a value, which generate or import one. Thread-safe.</summary>
internal interface IKeyMaker
{
    ECDsa Signing();
    ECDiffieHellman Sealing();
}
