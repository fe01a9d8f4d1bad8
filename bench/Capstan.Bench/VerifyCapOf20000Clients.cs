using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Bench;

/// <summary>How long does a client with an empty cache need to trust a CAP of 20,000 clients and read its own policy?</summary>
public class VerifyCapOf20000Clients
{
    private readonly LargeSite _site = new(20_000);
    private byte[] _bytes = [];
    private byte[] _signature = [];
    private ECDsa _key = null!;

    [GlobalSetup]
    public async Task SetUp()
    {
        await Verify();
        _bytes = RandomNumberGenerator.GetBytes((int)_site.BytesRead);
        _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        _signature = _key.SignData(_bytes, HashAlgorithmName.SHA256);
    }

    /// <summary>The floor: seven signatures (root, timestamp, snapshot, targets, policy, bin, root again) and one hash over as many bytes.</summary>
    [Benchmark(Baseline = true)]
    public bool Signatures_and_hash_alone()
    {
        var hash = SHA256.HashData(_bytes);
        var valid = true;
        for (var i = 0; i < 7; i++)
            valid &= _key.VerifyHash(hash, _signature);
        return valid;
    }

    [Benchmark]
    public async Task<int> Verify()
    {
        var client = new TufClient(_site, new MemoryTrust(), TimeProvider.System);
        await client.TrustRootAsync(_site.RootHash, 1, CancellationToken.None);
        await client.RefreshAsync(complete: true, CancellationToken.None);
        var policy = await client.ReadTargetAsync(Layout.PolicyTarget(_site.Devices[^1]), 1 << 20, CancellationToken.None);
        return policy!.Content.Length;
    }
}
