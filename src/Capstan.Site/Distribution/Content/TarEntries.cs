namespace Capstan.Site.Distribution.Content;

/// <summary>Reads a tar stream entry by entry in one buffer: what somebody writes into a header costs no memory beyond <see cref="MaxExtensionBytes"/>. Not thread-safe; the stream stays the caller's.</summary>
internal sealed class TarEntries(Stream archive)
{
    /// <summary>Longest extension of an entry: names have at most 4,096 bytes, the rest is extended attributes, which nobody reads here.</summary>
    public const int MaxExtensionBytes = 1 << 20;

    /// <summary>Most extensions of one entry: one of each kind is usual.</summary>
    private const int MaxExtensions = 16;

    private readonly byte[] _buffer = new byte[128 << 10];
    private int _from, _to;
    /// <summary>Of the entry that was returned last: bytes of its content, and of the padding behind it.</summary>
    private long _left, _padding;

    /// <summary>Nothing arrived at all: what some make of an empty list.</summary>
    public bool IsEmpty { get; private set; } = true;

    /// <summary>The next entry, its name and size as extensions have them; what was not read of the one before is skipped. Null at the end, when all of the stream was read.</summary>
    /// <exception cref="InvalidDataException">This is no archive, or not all of one.</exception>
    public async ValueTask<TarHeader?> NextAsync(CancellationToken cancellationToken)
    {
        await SkipAsync(_left + _padding, cancellationToken);
        var extension = default(TarExtension);
        for (var extensions = 0; ;)
        {
            if (!await FillAsync(TarHeader.BlockBytes, cancellationToken))
                return IsEmpty ? null : throw Cut();
            var block = _buffer.AsMemory(_from, TarHeader.BlockBytes);
            _from += TarHeader.BlockBytes;
            if (!block.Span.ContainsAnyExcept((byte)0))
                return await EndAsync(cancellationToken);
            var header = TarHeader.Parse(block.Span);
            if (header.Type is not ('x' or 'L' or 'K' or 'g'))
                return Begin(extension.Of(header), extension.IsSparse);
            if (++extensions > MaxExtensions)
                throw new InvalidDataException($"an entry has more than {MaxExtensions} extended headers");
            if (header.Type == 'g')
                await SkipAsync(Padded(header.SizeBytes), cancellationToken);
            else
                extension = extension.With(header.Type, await ReadExtensionAsync(header.SizeBytes, cancellationToken));
        }
    }

    /// <summary>Content of the entry that was returned last; 0 at its end.</summary>
    /// <exception cref="InvalidDataException">The stream ends before it.</exception>
    public async ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        var count = (int)Math.Min(destination.Length, _left);
        if (count == 0)
            return 0;
        if (_from == _to && count < _buffer.Length && !await FillAsync(1, cancellationToken))
            throw Cut();
        if (_from < _to)
        {
            count = Math.Min(count, _to - _from);
            _buffer.AsMemory(_from, count).CopyTo(destination);
            _from += count;
        }
        else
        {
            // What fills the destination need not go through the buffer.
            count = await archive.ReadAsync(destination[..count], cancellationToken);
            if (count == 0)
                throw Cut();
        }
        _left -= count;
        return count;
    }

    private TarHeader Begin(TarHeader header, bool isSparse)
    {
        if (isSparse || header.Type == 'S')
            header = header with { Type = 'S' };
        // A size there counts for nothing or for something else, depending on who wrote it.
        else if (header.Type is >= '1' and <= '6' && header.SizeBytes > 0)
            throw new InvalidDataException("an entry that is no file has content");
        // The oldest form knows no directories but by their names.
        else if (header.Type == '0' && header.SizeBytes == 0 && header.Name.EndsWith('/'))
            header = header with { Type = '5' };
        (_left, _padding) = (header.SizeBytes, Padded(header.SizeBytes) - header.SizeBytes);
        return header;
    }

    private static long Padded(long length) => (length + TarHeader.BlockBytes - 1) / TarHeader.BlockBytes * TarHeader.BlockBytes;

    /// <summary>An archive ends in two blocks of zeros: one that was cut between two entries has none. What follows them is of no archive, but has to arrive.</summary>
    private async ValueTask<TarHeader?> EndAsync(CancellationToken cancellationToken)
    {
        if (!await FillAsync(TarHeader.BlockBytes, cancellationToken) || _buffer.AsSpan(_from, TarHeader.BlockBytes).ContainsAnyExcept((byte)0))
            throw Cut();
        (_from, _to) = (0, 0);
        while (await archive.ReadAsync(_buffer, cancellationToken) > 0)
            continue;
        return null;
    }

    private async ValueTask<byte[]> ReadExtensionAsync(long length, CancellationToken cancellationToken)
    {
        if (length > MaxExtensionBytes)
            throw new InvalidDataException($"an extended header has {length} bytes; the limit is {MaxExtensionBytes}");
        var content = new byte[length];
        for (var filled = 0; filled < content.Length;)
        {
            if (_from == _to && !await FillAsync(1, cancellationToken))
                throw Cut();
            var count = Math.Min(content.Length - filled, _to - _from);
            _buffer.AsSpan(_from, count).CopyTo(content.AsSpan(filled));
            _from += count;
            filled += count;
        }
        await SkipAsync(Padded(length) - length, cancellationToken);
        return content;
    }

    private async ValueTask SkipAsync(long count, CancellationToken cancellationToken)
    {
        for (var left = count; left > 0;)
        {
            if (_from == _to && !await FillAsync(1, cancellationToken))
                throw Cut();
            var skipped = (int)Math.Min(left, _to - _from);
            _from += skipped;
            left -= skipped;
        }
        (_left, _padding) = (0, 0);
    }

    /// <summary>False when the stream ends before so many bytes are there; throws when it ends within them.</summary>
    private async ValueTask<bool> FillAsync(int wanted, CancellationToken cancellationToken)
    {
        if (_to - _from >= wanted)
            return true;
        _buffer.AsSpan(_from, _to - _from).CopyTo(_buffer);
        (_from, _to) = (0, _to - _from);
        while (_to < wanted)
        {
            var read = await archive.ReadAsync(_buffer.AsMemory(_to), cancellationToken);
            if (read == 0)
                return _to == 0 ? false : throw Cut();
            _to += read;
            IsEmpty = false;
        }
        return true;
    }

    private static InvalidDataException Cut() => new("it ends before its end (1,024 zero bytes)");
}
