using System.Diagnostics.CodeAnalysis;

namespace Capstan.Nal.Providers;

/// <summary>A relative path below a store's root: segments joined by <c>/</c>. It cannot leave the root by construction.</summary>
/// <remarks>Refused: empty segments, <c>.</c>, <c>..</c>, NUL and control characters, any of <c>\ : * ? " &lt; &gt; |</c>, a trailing dot or
/// blank, the reserved device names of Windows, a segment above 255 bytes of UTF-8: what one storage refuses, no CAP may hold.</remarks>
public readonly record struct StorePath
{
    private readonly string? _value;

    private StorePath(string value) => _value = value;

    /// <summary>The root itself.</summary>
    public static StorePath Root => default;

    /// <summary>Segments joined by <c>/</c>; empty for the root.</summary>
    public string Value => _value ?? "";

    public bool IsRoot => Value.Length == 0;

    /// <summary>The last segment; empty for the root.</summary>
    public string Name => Value[(Value.LastIndexOf('/') + 1)..];

    /// <summary>The directory that holds this entry; the root's parent is the root.</summary>
    public StorePath Parent => Value.LastIndexOf('/') is var cut and > 0 ? new StorePath(Value[..cut]) : Root;

    /// <exception cref="ArgumentException">The text is not a path that every storage can hold; the message says what is wrong with it.</exception>
    public static StorePath Parse(string text) =>
        TryParse(text, out var path, out var error) ? path : throw new ArgumentException(error, nameof(text));

    public static bool TryParse(string text, out StorePath path, [NotNullWhen(false)] out string? error)
    {
        ArgumentNullException.ThrowIfNull(text);
        path = default;
        error = null;
        if (text.Length == 0)
            return true;
        foreach (var segment in text.Split('/'))
        {
            error = Fault(segment);
            if (error is not null)
                return false;
        }
        path = new StorePath(text);
        return true;
    }

    /// <summary>This path with further segments below it.</summary>
    /// <exception cref="ArgumentException">As <see cref="Parse"/>.</exception>
    public StorePath Combine(string relative) => IsRoot ? Parse(relative) : Parse($"{Value}/{relative}");

    public override string ToString() => Value;

    private static readonly System.Buffers.SearchValues<char> Forbidden = System.Buffers.SearchValues.Create("\\:*?\"<>|");

    private static string? Fault(string segment)
    {
        if (segment.Length == 0)
            return "a path segment is empty: paths are relative, with single slashes";
        if (segment is "." or "..")
            return $"the segment '{segment}' would leave or repeat a directory";
        if (segment.Any(char.IsControl) || segment.AsSpan().ContainsAny(Forbidden))
            return $"the segment '{segment}' contains a character that some storage cannot hold (\\ : * ? \" < > | or a control character)";
        if (segment[^1] is '.' or ' ')
            return $"the segment '{segment}' ends in a dot or a blank, which some storage drops";
        if (System.Text.Encoding.UTF8.GetByteCount(segment) > 255)
            return $"a segment is {System.Text.Encoding.UTF8.GetByteCount(segment)} bytes long; the limit is 255";
        var stem = segment.Split('.')[0];
        return stem.ToUpperInvariant() is "CON" or "PRN" or "AUX" or "NUL"
            or "COM1" or "COM2" or "COM3" or "COM4" or "COM5" or "COM6" or "COM7" or "COM8" or "COM9"
            or "LPT1" or "LPT2" or "LPT3" or "LPT4" or "LPT5" or "LPT6" or "LPT7" or "LPT8" or "LPT9"
            ? $"the segment '{segment}' is a reserved device name on Windows"
            : null;
    }
}
