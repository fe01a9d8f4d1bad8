using System.Net;
using System.Net.Http.Headers;
using Capstan.Site.Console;

namespace Capstan.Cli.Packages;

/// <summary>A source as a tar stream, read while it is sent, in one buffer. A file that somebody writes meanwhile is sent again, under the same name: the later entry counts.</summary>
internal sealed class PackageArchive : HttpContent
{
    /// <summary>How often a file is read that changes each time.</summary>
    private const int MostReadings = 3;

    private readonly PackageSource _source;
    private readonly byte[] _buffer = new byte[256 << 10];
    private int _filled;

    public PackageArchive(PackageSource source)
    {
        _source = source;
        Headers.ContentType = new MediaTypeHeaderValue("application/x-tar");
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        _filled = 0;
        foreach (var entry in _source.Entries())
        {
            if (entry.Facts.Kind == SourceKind.File)
                await WriteFileAsync(stream, entry, cancellationToken);
            else
                await WriteAsync(stream, TarBlocks.Header(entry.Path, entry.Facts.Kind, entry.Facts.Mode, 0, entry.Target), cancellationToken);
        }
        // Not after a failure: the end of an archive would make a whole one of half of it.
        await WriteAsync(stream, new byte[2 * TarBlocks.BlockBytes], cancellationToken);
        await FlushAsync(stream, cancellationToken);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    private async Task WriteFileAsync(Stream stream, SourceEntry entry, CancellationToken cancellationToken)
    {
        for (var reading = 1; ; reading++)
        {
            FileFacts before;
            using (var file = File.OpenHandle(entry.FullPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.SequentialScan))
            {
                before = FileFacts.Of(entry.FullPath) ?? entry.Facts;
                await WriteAsync(stream, TarBlocks.Header(entry.Path, SourceKind.File, before.Mode, before.SizeBytes, null), cancellationToken);
                for (var position = 0L; position < before.SizeBytes;)
                {
                    if (_filled == _buffer.Length)
                        await FlushAsync(stream, cancellationToken);
                    var free = _buffer.AsMemory(_filled, (int)Math.Min(_buffer.Length - _filled, before.SizeBytes - position));
                    var read = RandomAccess.Read(file, free.Span, position);
                    if (read == 0)
                    {
                        // Somebody shortened it: as long as it was said to be, and read again.
                        free.Span.Clear();
                        read = free.Length;
                    }
                    _filled += read;
                    position += read;
                }
                await WriteAsync(stream, new byte[TarBlocks.Padding(before.SizeBytes)], cancellationToken);
            }
            if (before.Kind == SourceKind.File && FileFacts.Of(entry.FullPath) == before)
                return;
            if (reading == MostReadings)
                throw new CliException($"{VisibleText.Of(entry.Path, 300)} changes while it is read ({MostReadings} times): nothing was published. Let nobody write it meanwhile, or publish a copy.");
        }
    }

    private async ValueTask WriteAsync(Stream stream, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (_filled + bytes.Length > _buffer.Length)
            await FlushAsync(stream, cancellationToken);
        bytes.CopyTo(_buffer.AsMemory(_filled));
        _filled += bytes.Length;
    }

    private async ValueTask FlushAsync(Stream stream, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(_buffer.AsMemory(0, _filled), cancellationToken);
        _filled = 0;
    }
}
