using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Site.Publish;

/// <summary>A CAP as the source of metadata.</summary>
internal sealed class StoreSource(IStore store) : ITufSource
{
    /// <exception cref="ProtocolException">The file is larger than its role allows.</exception>
    public async ValueTask<byte[]?> ReadAsync(string path, long maxBytes, CancellationToken cancellationToken)
    {
        try
        {
            return await store.ReadAllAsync(StorePath.Parse(path), maxBytes, cancellationToken);
        }
        catch (NalException cause) when (cause.Error == NalError.TooLarge)
        {
            throw new ProtocolException(ProtocolError.TooLarge, cause.Message, path, cause);
        }
    }
}
