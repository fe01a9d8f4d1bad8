using System.Collections.Concurrent;
using System.Security.Cryptography;
using Capstan.Protocol.Jose;

namespace Capstan.Testing.Keys;

/// <summary>Keys whose points are real points on P-256 and whose arithmetic is HMAC-SHA-256 with one secret per key: some 30 times as fast. Thread-safe.</summary>
/// <remarks>
/// One world of keys: the secret that belongs to a point is known to the world, so that holders of the public half can verify, and only a key with its private half signs or agrees.
/// It is trusted because it passes <c>KeyConformance</c>, as the platform's keys do.
/// </remarks>
/// <param name="random">Draws the private halves, so that a world of one seed has the same keys again.</param>
internal sealed class FakeKeys(Random random) : IKeyMaker
{
    private readonly ConcurrentDictionary<string, byte[]> _secrets = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();

    public ECDsa Signing() => new FakeSigning(this);

    public ECDiffieHellman Sealing() => new FakeSealing(this);

    /// <summary>The values of a new key; its secret follows from the private half.</summary>
    private ECParameters Generate()
    {
        var half = new byte[32];
        lock (_gate)
            random.NextBytes(half);
        // Below the order of the curve, which begins with 32 bits of ones, and not zero.
        (half[0], half[31]) = ((byte)(half[0] & 0x7F), (byte)(half[31] | 1));
        using var real = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = half });
        return Know(real.ExportParameters(includePrivateParameters: true));
    }

    /// <summary>A private half that was seen makes the point's secret known.</summary>
    private ECParameters Know(ECParameters key)
    {
        if (key.D is { } d)
            _secrets.TryAdd(NameOf(key), SHA256.HashData(d));
        return key;
    }

    /// <summary>Null for a point whose private half nobody in this world has had.</summary>
    private byte[]? SecretOf(ECParameters key) => _secrets.GetValueOrDefault(NameOf(key));

    private static string NameOf(ECParameters key) => Convert.ToHexString(key.Q.X!) + Convert.ToHexString(key.Q.Y!);

    private static ECParameters Public(ECParameters key) => new() { Curve = key.Curve, Q = key.Q };

    private static ECParameters Checked(ECParameters key)
    {
        key.Validate();
        return key is { Q: { X.Length: 32, Y.Length: 32 }, D: null or { Length: 32 } } && key.Curve is { IsNamed: true, Oid: { } oid } && oid.Value == ECCurve.NamedCurves.nistP256.Oid.Value
            ? key
            : throw new CryptographicException("not a key on P-256");
    }

    private sealed class FakeSigning : ECDsa
    {
        private readonly FakeKeys _world;
        private ECParameters? _key;

        public FakeSigning(FakeKeys world)
        {
            _world = world;
            KeySizeValue = 256;
        }

        private ECParameters Key => _key ??= _world.Generate();

        public override void GenerateKey(ECCurve curve) => _key = _world.Generate();

        public override void ImportParameters(ECParameters parameters) => _key = _world.Know(Checked(parameters));

        public override ECParameters ExportParameters(bool includePrivateParameters) =>
            !includePrivateParameters ? Public(Key) : Key.D is null ? throw new CryptographicException("there is no private half") : Key;

        public override byte[] SignHash(byte[] hash) =>
            Key.D is null ? throw new CryptographicException("there is no private half") : Tag(_world.SecretOf(Key)!, hash);

        public override bool VerifyHash(byte[] hash, byte[] signature) =>
            _world.SecretOf(Key) is { } secret && CryptographicOperations.FixedTimeEquals(Tag(secret, hash), signature);

        /// <summary>As long as a signature on P-256: two numbers of 32 bytes.</summary>
        private static byte[] Tag(byte[] secret, byte[] hash) => HMACSHA512.HashData(secret, hash);
    }

    private sealed class FakeSealing : ECDiffieHellman
    {
        private readonly FakeKeys _world;
        private ECParameters? _key;

        public FakeSealing(FakeKeys world)
        {
            _world = world;
            KeySizeValue = 256;
        }

        private ECParameters Key => _key ??= _world.Generate();

        public override ECDiffieHellmanPublicKey PublicKey => new FakePublic(Public(Key));

        public override void GenerateKey(ECCurve curve) => _key = _world.Generate();

        public override void ImportParameters(ECParameters parameters) => _key = _world.Know(Checked(parameters));

        public override ECParameters ExportParameters(bool includePrivateParameters) =>
            !includePrivateParameters ? Public(Key) : Key.D is null ? throw new CryptographicException("there is no private half") : Key;

        /// <summary>The same for both sides: made of both secrets in a fixed order.</summary>
        public override byte[] DeriveRawSecretAgreement(ECDiffieHellmanPublicKey otherPartyPublicKey)
        {
            ArgumentNullException.ThrowIfNull(otherPartyPublicKey);
            if (Key.D is null)
                throw new CryptographicException("there is no private half");
            var other = otherPartyPublicKey.ExportParameters();
            // Sealed to a key that nobody here holds, nobody here can open it.
            var theirs = _world.SecretOf(other) ?? RandomNumberGenerator.GetBytes(32);
            var ours = _world.SecretOf(Key)!;
            var (first, second) = string.CompareOrdinal(NameOf(Key), NameOf(other)) < 0 ? (ours, theirs) : (theirs, ours);
            return HMACSHA256.HashData(first, second);
        }
    }

    private sealed class FakePublic(ECParameters key) : ECDiffieHellmanPublicKey
    {
        public override ECParameters ExportParameters() => key;
    }
}
