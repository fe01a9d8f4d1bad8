namespace Capstan.Protocol.Content;

/// <summary>Reads a tree line by line in one buffer of a quarter megabyte, whatever the tree's length. Not thread-safe; the stream stays the caller's.</summary>
/// <remarks>Believes nothing about the bytes: give it what was verified chunk by chunk (<see cref="ChunkCodec.TryDecode"/>) against the signed manifest.</remarks>
/// <param name="entriesOnly">True: extents are passed over, and what lines say together is not checked. For a tree that was read to its end before, and whose hash still says so.</param>
public sealed class TreeReader(Stream stream, bool entriesOnly = false)
{
    private readonly byte[] _buffer = new byte[2 * ContentFormat.MaxLineBytes];
    private readonly TreeRules _rules = new();
    private int _from, _to;
    private long _lines;
    private bool _isAtEnd;

    /// <summary>The next line; null at the end of a complete tree.</summary>
    /// <exception cref="ProtocolException">The tree is not one, from this line on.</exception>
    public async ValueTask<TreeLine?> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var length = _buffer.AsSpan(_from, _to - _from).IndexOf((byte)'\n');
            if (length > ContentFormat.MaxLineBytes || (length < 0 && _to - _from > ContentFormat.MaxLineBytes))
                throw new ProtocolException(ProtocolError.TooLarge, $"line {_lines + 1} of a tree is longer than {ContentFormat.MaxLineBytes} bytes");
            if (length >= 0)
            {
                if (Take(length) is { } line)
                    return line;
                continue;
            }
            if (_isAtEnd)
                return End();
            await FillAsync(cancellationToken);
        }
    }

    /// <returns>Null for a line that is passed over.</returns>
    private TreeLine? Take(int length)
    {
        _lines++;
        var line = _buffer.AsSpan(_from, length);
        _from += length + 1;
        if (entriesOnly && line.StartsWith(ExtentLine.Begin))
            return null;
        try
        {
            var parsed = TreeLines.Parse(line);
            if (entriesOnly)
                return parsed as TreeEntry;
            _rules.Accept(parsed);
            return parsed;
        }
        catch (ProtocolException e)
        {
            throw new ProtocolException(e.Error, $"line {_lines}: {e.Message}", null, e);
        }
    }

    private TreeLine? End()
    {
        if (_from < _to)
            throw new ProtocolException(ProtocolError.Malformed, "the last line of a tree has no end");
        if (!entriesOnly)
            _rules.Finish();
        return null;
    }

    private async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        if (_from > 0)
        {
            _buffer.AsSpan(_from, _to - _from).CopyTo(_buffer);
            (_from, _to) = (0, _to - _from);
        }
        var read = await stream.ReadAsync(_buffer.AsMemory(_to), cancellationToken);
        _to += read;
        _isAtEnd = read == 0;
    }
}
