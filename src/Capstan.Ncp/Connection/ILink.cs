using System.Net;
using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Connection;

/// <summary>Carries frames. Sends of several callers do not overlap; there is one receiver.</summary>
internal interface ILink : IAsyncDisposable
{
    Framing Framing { get; }

    /// <summary>Frames may be lost: they are sent again until they are answered.</summary>
    bool MayLose { get; }

    EndPoint? Local { get; }

    EndPoint? Remote { get; }

    ValueTask SendAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellationToken);

    /// <summary>What the server sends next, without the head of a stream's record; null at the end. Valid until the next call.</summary>
    ValueTask<ReadOnlyMemory<byte>?> ReceiveAsync(CancellationToken cancellationToken);
}
