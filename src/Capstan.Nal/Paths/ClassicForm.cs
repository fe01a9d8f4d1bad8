namespace Capstan.Nal.Paths;

/// <summary>
/// Reads <c>["Display=…"]PROVIDER:["SMS_SITE=ABC", "PREFERRED"]\\root\segment\</c> from left to right; the first thing that does not fit ends it.
/// </summary>
internal sealed class ClassicForm(string text)
{
    private const string DisplayStart = "[\"Display=";
    private const string SiteStart = "SMS_SITE=";

    private int _at;
    private string? _display;
    private string? _site;
    private bool _preferred;

    public NalPathError? Error { get; private set; }

    public NalPath? Read()
    {
        if (!ReadDisplay() || !ReadProvider(out var syntax) || !ReadQualifiers() || !Expect("\\\\", "two backslashes"))
            return null;
        var root = "";
        int? port = null;
        if (syntax.Root != RootKind.None && !ReadRoot(syntax, out root, out port))
            return null;
        return ReadSegments(syntax, out var segments)
            ? NalPath.Create(syntax, _display, _site, _preferred, root, port, segments)
            : null;
    }

    private bool ReadDisplay()
    {
        if (!At('['))
            return true;
        if (!text.StartsWith(DisplayStart, StringComparison.OrdinalIgnoreCase))
            return Fail(0, "[\"Display=…\"], a provider name, or a URI");
        var start = DisplayStart.Length;
        var quote = text.IndexOf('"', start);
        if (quote < 0 || quote + 1 == text.Length || text[quote + 1] != ']')
            return Fail(quote < 0 ? text.Length : quote + 1, quote < 0 ? "\"] after the display text" : "] after the display text");
        _display = text[start..quote];
        _at = quote + 2;
        if (_display.Length == 0)
            return Fail(start, "the display text");
        for (var at = 0; at < _display.Length; at++)
        {
            // Backslashes are what display texts are made of; everything else obeys the rule of all parts.
            if (_display[at] is not ('\\' or '/') && PathSyntax.FaultInText(Character(at)) is { } fault)
                return Fail(start + at, fault.Expected);
            if (char.IsHighSurrogate(_display[at]))
                at++;
        }
        return true;
    }

    private ReadOnlySpan<char> Character(int at) =>
        _display.AsSpan(at, char.IsHighSurrogate(_display![at]) && at + 1 < _display.Length ? 2 : 1);

    private bool ReadProvider(out PathSyntax syntax)
    {
        var colon = text.IndexOf(':', _at);
        var name = colon < 0 ? "" : text[_at..colon];
        if (!PathSyntax.ByName.TryGetValue(name, out syntax!))
            return Fail(_at, $"a provider ({PathSyntax.Names})");
        _at = colon + 1;
        return true;
    }

    private bool ReadQualifiers()
    {
        if (!At('['))
            return true;
        do
        {
            _at++;
            SkipBlanks();
            if (!ReadQualifier())
                return false;
            SkipBlanks();
        }
        while (At(','));
        return Expect("]", "a comma or ] after the qualifier");
    }

    private bool ReadQualifier()
    {
        if (!Expect("\"", "a qualifier in quotes: \"SMS_SITE=ABC\" or \"PREFERRED\""))
            return false;
        var quote = text.IndexOf('"', _at);
        if (quote < 0)
            return Fail(text.Length, "a quote that ends the qualifier");
        var start = _at;
        var qualifier = text[start..quote];
        _at = quote + 1;
        if (qualifier.Equals("PREFERRED", StringComparison.OrdinalIgnoreCase))
        {
            if (_preferred)
                return Fail(start, "PREFERRED only once");
            return _preferred = true;
        }
        if (!qualifier.StartsWith(SiteStart, StringComparison.OrdinalIgnoreCase))
            return Fail(start, "SMS_SITE=<site code> or PREFERRED");
        if (_site is not null)
            return Fail(start, "SMS_SITE only once");
        _site = SiteCodes.Canonical(qualifier[SiteStart.Length..]);
        return _site is not null || Fail(start + SiteStart.Length, SiteCodes.Rule);
    }

    private bool ReadRoot(PathSyntax syntax, out string root, out int? port)
    {
        var end = text.IndexOf('\\', _at);
        var start = _at;
        _at = end < 0 ? text.Length : end;
        var fault = RootText.Read(syntax, text[start.._at], out root, out port);
        if (fault is { } found)
            return Fail(start + found.At, found.Expected);
        if (end >= 0)
            _at++;
        return true;
    }

    private bool ReadSegments(PathSyntax syntax, out List<string> segments)
    {
        segments = [];
        while (_at < text.Length)
        {
            var end = text.IndexOf('\\', _at);
            var segment = end < 0 ? text[_at..] : text[_at..end];
            if (syntax.FaultInSegment(segment) is { } fault)
                return Fail(_at + fault.At, fault.Expected);
            segments.Add(segment);
            _at += segment.Length + 1;
        }
        return true;
    }

    private bool At(char expected) => _at < text.Length && text[_at] == expected;

    private void SkipBlanks()
    {
        while (At(' '))
            _at++;
    }

    private bool Expect(string token, string expected)
    {
        if (string.CompareOrdinal(text, _at, token, 0, token.Length) != 0)
            return Fail(_at, expected);
        _at += token.Length;
        return true;
    }

    private bool Fail(int at, string expected)
    {
        Error = new(at + 1, expected);
        return false;
    }
}
