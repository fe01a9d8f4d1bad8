using System.Text;

namespace Capstan.Protocol.Content;

/// <summary>What a path of a tree may be. Pure.</summary>
/// <remarks>Names are those of Linux: a reader on another system refuses beforehand what it cannot hold there (<c>\</c>, <c>:</c> and reserved names on Windows).</remarks>
public static class TreePath
{
    /// <summary>What is wrong with a path; null when it is relative, normalised and says the same to everybody.</summary>
    public static string? Problem(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path.Length == 0)
            return "a path is not empty";
        if (path.Length > ContentFormat.MaxPathBytes || Bytes(path) is < 0 or > ContentFormat.MaxPathBytes)
            return $"a path is well-formed Unicode of at most {ContentFormat.MaxPathBytes} bytes";
        foreach (var range in path.AsSpan().Split('/'))
        {
            var segment = path.AsSpan(range);
            if (segment.IsEmpty || segment is "." or "..")
                return "a path is relative, with single slashes and no . or ..";
            if (HasControl(segment))
                return "a name has no control characters";
            if (Encoding.UTF8.GetByteCount(segment) > ContentFormat.MaxSegmentBytes)
                return $"a name has at most {ContentFormat.MaxSegmentBytes} bytes";
        }
        return null;
    }

    /// <summary>What is wrong with the target of a link; null when the link stays inside, whatever else is a link.</summary>
    /// <remarks>
    /// <c>..</c> only at the beginning, and not above the root: a link lies in a real directory, so its leading <c>..</c> go where they say; what follows goes only
    /// down, or through links that keep the same rule. (<c>up/../x</c> would go wherever the link <c>up</c> leads, and one up from there.)
    /// </remarks>
    public static string? TargetProblem(string path, string target)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(target);
        if (target.Length == 0 || target.Length > ContentFormat.MaxPathBytes || Bytes(target) is < 0 or > ContentFormat.MaxPathBytes)
            return $"the target of a link is well-formed Unicode of 1 to {ContentFormat.MaxPathBytes} bytes";
        if (target[0] == '/')
            return "a link is relative, since content may lie anywhere";
        var above = path.AsSpan().Count('/');
        var isDown = false;
        foreach (var range in target.AsSpan().TrimEnd('/').Split('/'))
        {
            var segment = target.AsSpan(range);
            if (HasControl(segment))
                return "the target of a link has no control characters";
            if (segment is not "..")
                isDown |= !(segment.IsEmpty || segment is ".");
            else if (isDown)
                return "the target of a link has .. only at its beginning";
            else if (--above < 0)
                return "a link does not lead outside";
        }
        return null;
    }

    /// <summary>The order of a tree: that of the bytes of UTF-8. A directory stands before what is in it.</summary>
    public static int Compare(string left, string right)
    {
        ArgumentNullException.ThrowIfNull(left);
        ArgumentNullException.ThrowIfNull(right);
        var common = left.AsSpan().CommonPrefixLength(right);
        if (common == left.Length || common == right.Length)
            return left.Length.CompareTo(right.Length);
        return Rank(left[common]).CompareTo(Rank(right[common]));
    }

    /// <summary>UTF-16 and UTF-8 order the same, but for surrogates: what they stand for lies above U+FFFF.</summary>
    private static int Rank(char unit) => char.IsSurrogate(unit) ? unit + 0x10000 : unit;

    private static bool HasControl(ReadOnlySpan<char> segment)
    {
        foreach (var unit in segment)
        {
            if (char.IsControl(unit))
                return true;
        }
        return false;
    }

    /// <summary>Bytes of UTF-8; -1 for a lone surrogate.</summary>
    private static int Bytes(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
                return -1;
            i++;
        }
        return Encoding.UTF8.GetByteCount(text);
    }
}
