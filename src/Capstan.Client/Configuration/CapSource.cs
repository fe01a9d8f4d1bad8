using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Client.Configuration;

/// <summary>Metadata and targets read through a lease.</summary>
internal sealed class CapSource(IStore store) : ITufSource
{
    public async ValueTask<byte[]?> ReadAsync(string path, long maxBytes, CancellationToken cancellationToken)
    {
        if (!StorePath.TryParse(path, out var where, out var error))
            throw new ProtocolException(ProtocolError.Malformed, $"metadata names a file that no storage can hold: {error}", path);
        try
        {
            return await store.ReadAllAsync(where, maxBytes, cancellationToken);
        }
        catch (NalException e) when (e.Error == NalError.TooLarge)
        {
            throw new ProtocolException(ProtocolError.TooLarge, $"{path} is longer than its limit of {maxBytes} bytes", path, e);
        }
    }
}
