using System.Formats.Tar;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Capstan.Site.Console;

namespace Capstan.Cli.Packages;

/// <summary>A source as a tar stream, read while it is sent. A file that somebody writes meanwhile is sent again, under the same name: the later entry counts.</summary>
internal sealed class PackageArchive : HttpContent
{
    /// <summary>How often a file is read that changes each time.</summary>
    private const int MostReadings = 3;

    /// <summary>Longest name that the old form of an entry holds, and its largest file: the new form takes a kilobyte more.</summary>
    private const int ShortName = 100;
    private const long ShortFile = 1L << 33;

    private readonly PackageSource _source;

    public PackageArchive(PackageSource source)
    {
        _source = source;
        Headers.ContentType = new MediaTypeHeaderValue("application/x-tar");
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // Not disposed after a failure: the end of an archive would make a whole one of half of it.
        var tar = new TarWriter(stream, TarEntryFormat.Pax, leaveOpen: true);
        foreach (var entry in _source.Entries)
        {
            switch (entry.Facts.Kind)
            {
                case SourceKind.Directory:
                    await tar.WriteEntryAsync(Entry(TarEntryType.Directory, entry), cancellationToken);
                    break;
                case SourceKind.Link:
                    var link = Entry(TarEntryType.SymbolicLink, entry);
                    link.LinkName = entry.Target!;
                    await tar.WriteEntryAsync(link, cancellationToken);
                    break;
                default:
                    await WriteFileAsync(tar, entry, cancellationToken);
                    break;
            }
        }
        await tar.DisposeAsync();
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    private static async Task WriteFileAsync(TarWriter tar, SourceEntry entry, CancellationToken cancellationToken)
    {
        var before = entry.Facts;
        for (var reading = 1; ; reading++)
        {
            await using (var file = new FileStream(entry.FullPath, new FileStreamOptions { Access = FileAccess.Read, Share = FileShare.ReadWrite | FileShare.Delete, BufferSize = 0, Options = FileOptions.Asynchronous | FileOptions.SequentialScan }))
            {
                before = FileFacts.Of(entry.FullPath) ?? before;
                await using var content = new FixedLengthStream(file, before.SizeBytes);
                var header = Entry(TarEntryType.RegularFile, entry with { Facts = before });
                header.DataStream = content;
                await tar.WriteEntryAsync(header, cancellationToken);
            }
            if (before.Kind == SourceKind.File && FileFacts.Of(entry.FullPath) == before)
                return;
            if (reading == MostReadings)
                throw new CliException($"{VisibleText.Of(entry.Path, 300)} changes while it is read ({MostReadings} times): nothing was published. Let nobody write it meanwhile, or publish a copy.");
        }
    }

    private static TarEntry Entry(TarEntryType type, SourceEntry entry)
    {
        var isShort = Encoding.UTF8.GetByteCount(entry.Path) < ShortName && Encoding.UTF8.GetByteCount(entry.Target ?? "") < ShortName && entry.Facts.SizeBytes < ShortFile;
        TarEntry made = isShort ? new UstarTarEntry(type, entry.Path) : new PaxTarEntry(type, entry.Path);
        made.Mode = (UnixFileMode)entry.Facts.Mode;
        // No time crosses: the same content is the same package.
        made.ModificationTime = DateTimeOffset.UnixEpoch;
        return made;
    }
}
