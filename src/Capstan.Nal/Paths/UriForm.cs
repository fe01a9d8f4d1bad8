using System.Globalization;
using System.Text;

namespace Capstan.Nal.Paths;

/// <summary>Reads and writes the URI twin: <c>smb://host:port/share/dir/</c>. Percent-encoding is UTF-8; letters outside ASCII and blanks may stand as they are.</summary>
internal sealed class UriForm(string text)
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public NalPathError? Error { get; private set; }

    /// <param name="syntax">The provider of the scheme that the text begins with.</param>
    public NalPath? Read(PathSyntax syntax)
    {
        var at = syntax.Scheme.Length + "://".Length;
        var mark = text.AsSpan(at).IndexOfAny('?', '#');
        if (mark >= 0)
            return Fail(at + mark, "no query or fragment; in a name write %3F for ? and %23 for #");
        var slash = text.IndexOf('/', at);
        var authority = slash < 0 ? text[at..] : text[at..slash];
        var root = "";
        int? port = null;
        if (syntax.Root == RootKind.None)
        {
            if (authority.Length != 0 && !authority.Equals("localhost", StringComparison.OrdinalIgnoreCase))
                return Fail(at, "a third slash (file: names this machine; for a server write smb://server/share/)");
            if (slash < 0)
                return Fail(text.Length, "a slash and the directory");
        }
        else if (!ReadRoot(syntax, authority, at, out root, out port))
        {
            return null;
        }
        return slash < 0 || ReadSegments(syntax, slash + 1)
            ? NalPath.Create(syntax, display: null, siteCode: null, isPreferred: false, root, port, _segments)
            : null;
    }

    /// <summary>The URI of a path that is valid already.</summary>
    public static string Write(PathSyntax syntax, string root, int? port, IReadOnlyList<string> segments)
    {
        var uri = new StringBuilder(syntax.Scheme).Append("://");
        // The brackets and colons of an address are syntax; every other root is a name and is escaped as one.
        uri.Append(syntax.Root == RootKind.Host && RootText.IsAddress(root) ? RootText.Write(root, port) : RootText.Write(Uri.EscapeDataString(root), port));
        uri.Append('/');
        foreach (var segment in segments)
            uri.Append(IsDrive(syntax, segment) ? segment : Uri.EscapeDataString(segment)).Append('/');
        return uri.ToString();
    }

    private readonly List<string> _segments = [];

    private static bool IsDrive(PathSyntax syntax, string segment) =>
        syntax.Root == RootKind.None && segment is [var letter, ':'] && char.IsAsciiLetter(letter);

    private bool ReadRoot(PathSyntax syntax, string authority, int start, out string root, out int? port)
    {
        root = "";
        port = null;
        if (authority.IndexOf('@', StringComparison.Ordinal) is var user and >= 0)
            return Refuse(start + user, "no user name or password in a path: accounts are given apart from it");
        if (!Decode(authority, start, out var decoded))
            return false;
        var fault = RootText.Read(syntax, decoded, out root, out port);
        // With escapes the offsets of the decoded text are not columns; the beginning of the root is.
        return fault is not { } found || Refuse(start + (decoded.Length == authority.Length ? found.At : 0), found.Expected);
    }

    private bool ReadSegments(PathSyntax syntax, int at)
    {
        while (at < text.Length)
        {
            var end = text.IndexOf('/', at);
            var raw = end < 0 ? text[at..] : text[at..end];
            if (!Decode(raw, at, out var segment))
                return false;
            if (syntax.FaultInSegment(segment) is { } fault)
                return Refuse(at + (segment.Length == raw.Length ? fault.At : 0), fault.Expected);
            _segments.Add(segment);
            at += raw.Length + 1;
        }
        return true;
    }

    private bool Decode(string raw, int start, out string decoded)
    {
        decoded = raw;
        if (!raw.Contains('%', StringComparison.Ordinal))
            return true;
        var result = new StringBuilder(raw.Length);
        var bytes = new List<byte>();
        for (var at = 0; at < raw.Length;)
        {
            var run = at;
            bytes.Clear();
            while (at < raw.Length && raw[at] == '%')
            {
                if (at + 2 >= raw.Length || !byte.TryParse(raw.AsSpan(at + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
                    return Refuse(start + at, "two hexadecimal digits after %");
                bytes.Add(value);
                at += 3;
            }
            if (bytes.Count == 0)
            {
                result.Append(raw[at++]);
                continue;
            }
            try
            {
                result.Append(StrictUtf8.GetString([.. bytes]));
            }
            catch (DecoderFallbackException)
            {
                return Refuse(start + run, "bytes of UTF-8");
            }
        }
        decoded = result.ToString();
        return true;
    }

    private bool Refuse(int at, string expected)
    {
        Error = new(at + 1, expected);
        return false;
    }

    private NalPath? Fail(int at, string expected)
    {
        Error = new(at + 1, expected);
        return null;
    }
}
