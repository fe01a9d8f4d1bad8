using System.Security.Cryptography;
using Capstan.Protocol.Jose;

namespace Capstan.Testing;

/// <summary>Keys printed in RFCs, so that golden files and corpora open for ever. Known to everybody: good for tests alone.</summary>
public static class FixedKeys
{
    /// <summary>RFC 7515 A.3: signs the device's records.</summary>
    public static FixedKey DeviceSigning { get; } = new("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");

    /// <summary>RFC 7518 appendix C, Alice: opens the device's secrets.</summary>
    public static FixedKey DeviceSealing { get; } = new("gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0", "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps", "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo");

    /// <summary>RFC 7518 appendix C, Bob: opens uploads.</summary>
    public static FixedKey SiteSealing { get; } = new("weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ", "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck", "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw");

    /// <summary>RFC 7517 A.2: signs receipts.</summary>
    public static FixedKey SiteReceipts { get; } = new("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE");
}

/// <summary>A P-256 key pair in the members of RFC 7517.</summary>
public sealed record FixedKey(string X, string Y, string D)
{
    public Jwk Public => new("EC", "P-256", X, Y);

    public ECDsa Signing() => ECDsa.Create(Parameters());

    public ECDiffieHellman Sealing() => ECDiffieHellman.Create(Parameters());

    private ECParameters Parameters() => new()
    {
        Curve = ECCurve.NamedCurves.nistP256,
        Q = new ECPoint { X = Bytes(X), Y = Bytes(Y) },
        D = Bytes(D),
    };

    private static byte[] Bytes(string text) => System.Buffers.Text.Base64Url.DecodeFromChars(text);
}
