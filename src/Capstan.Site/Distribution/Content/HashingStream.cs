using System.Security.Cryptography;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>Passes on what is read, and knows its hash. The inner stream stays the caller's.</summary>
/// <param name="read">Called for each part: whoever reads has got rid of the one before.</param>
internal sealed class HashingStream(Stream inner, Action read) : ForwardStream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>Of what was read so far; asked once.</summary>
    public ContentHash Hash() => new(_hash.GetHashAndReset());

    /// <summary>What follows is another reading: what was read so far does not count.</summary>
    public void Begin() => _hash.GetHashAndReset();

    public override int Read(byte[] buffer, int offset, int count)
    {
        read();
        var got = inner.Read(buffer, offset, count);
        _hash.AppendData(buffer, offset, got);
        return got;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        read();
        var got = await inner.ReadAsync(buffer, cancellationToken);
        _hash.AppendData(buffer.Span[..got]);
        return got;
    }

    protected override void Dispose(bool disposing)
    {
        _hash.Dispose();
        base.Dispose(disposing);
    }
}
