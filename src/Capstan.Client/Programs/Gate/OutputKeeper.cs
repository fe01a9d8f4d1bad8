using System.Text;

namespace Capstan.Client.Programs.Gate;

/// <summary>Keeps the beginning and the end of what a program prints, in bounded memory, and counts the rest. Thread-safe.</summary>
/// <param name="limit">Bytes of each of the two.</param>
internal sealed class OutputKeeper(int limit)
{
    private readonly Lock _gate = new();
    private readonly byte[] _head = new byte[limit];
    private readonly byte[] _ring = new byte[limit];
    private long _total;

    public long TotalBytes
    {
        get
        {
            lock (_gate)
                return _total;
        }
    }

    public void Add(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            var head = (int)Math.Clamp(limit - _total, 0, bytes.Length);
            bytes[..head].CopyTo(_head.AsSpan((int)Math.Min(_total, limit)));
            _total += head;
            var rest = bytes[head..];
            if (rest.Length > limit)
            {
                _total += rest.Length - limit;
                rest = rest[^limit..];
            }
            var place = (int)(_total % limit);
            var first = Math.Min(rest.Length, limit - place);
            rest[..first].CopyTo(_ring.AsSpan(place));
            rest[first..].CopyTo(_ring);
            _total += rest.Length;
        }
    }

    /// <summary>The beginning, and the end as far as it is not in the beginning.</summary>
    public (string Head, string Tail) Text()
    {
        lock (_gate)
        {
            var head = (int)Math.Min(_total, limit);
            var tail = (int)Math.Min(_total - head, limit);
            var kept = new byte[tail];
            var end = (int)(_total % limit);
            for (var i = 0; i < tail; i++)
                kept[tail - 1 - i] = _ring[(end - 1 - i + (2 * limit)) % limit];
            return (Printable(_head.AsSpan(0, head)), Printable(kept));
        }
    }

    /// <summary>UTF-8, or what is left of it; lines and tabs stay, other control characters become blanks.</summary>
    private static string Printable(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(Encoding.UTF8.GetString(bytes));
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsControl(text[i]) && text[i] is not ('\n' or '\t'))
                text[i] = ' ';
        }
        return text.ToString();
    }
}
