using System.Buffers;
using System.Collections.Frozen;

namespace Capstan.Nal.Paths;

/// <summary>What stands after the two backslashes (or after <c>//</c> of the URI).</summary>
internal enum RootKind
{
    /// <summary>Nothing: the first segment belongs to the directory (LOCAL).</summary>
    None,
    /// <summary>A host name or address with an optional port.</summary>
    Host,
    /// <summary>A name that keeps its letter case and may hold blanks: an NDS tree, an abstract export.</summary>
    Name,
}

/// <summary>The syntax of one provider's paths. Pure data: whether this build speaks the provider is the arbiter's knowledge.</summary>
/// <param name="Name">In the classic form, upper case.</param>
/// <param name="Scheme">In the URI form, lower case.</param>
/// <param name="DefaultPort">Left out of the canonical form; null when the root takes no port.</param>
/// <param name="WindowsSegments">Segments obey the rules of SMB and NetWare names: none of <c>: * ? " &lt; &gt; |</c>, no dot or blank at the end.</param>
/// <param name="IgnoreCase">Segments that differ in letter case only are the same.</param>
internal sealed record PathSyntax(string Name, string Scheme, RootKind Root, int? DefaultPort, bool WindowsSegments, bool IgnoreCase)
{
    private static readonly PathSyntax[] All =
    [
        new("LOCAL", "file", RootKind.None, null, WindowsSegments: OperatingSystem.IsWindows(), IgnoreCase: OperatingSystem.IsWindows()),
        new("MSWNET", "smb", RootKind.Host, 445, WindowsSegments: true, IgnoreCase: true),
        new("NWBIND", "ncp", RootKind.Host, 524, WindowsSegments: true, IgnoreCase: true),
        new("NWNDS", "nds", RootKind.Name, null, WindowsSegments: true, IgnoreCase: true),
        new("ABEXPRT", "abexprt", RootKind.Name, null, WindowsSegments: true, IgnoreCase: false),
        new("SFTP", "sftp", RootKind.Host, 22, WindowsSegments: false, IgnoreCase: false),
        new("HTTPS", "https", RootKind.Host, 443, WindowsSegments: false, IgnoreCase: false),
        new("S3", "s3", RootKind.Host, 443, WindowsSegments: false, IgnoreCase: false),
    ];

    private static readonly SearchValues<char> WindowsForbidden = SearchValues.Create(":*?\"<>|");
    private static readonly SearchValues<char> HostPunctuation = SearchValues.Create("-_.~!$&'(){}^#@");

    public static readonly FrozenDictionary<string, PathSyntax> ByName = All.ToFrozenDictionary(syntax => syntax.Name, StringComparer.OrdinalIgnoreCase);
    public static readonly FrozenDictionary<string, PathSyntax> ByScheme = All.ToFrozenDictionary(syntax => syntax.Scheme, StringComparer.OrdinalIgnoreCase);

    /// <summary>The syntax of <c>ABEXPRT</c>.</summary>
    public static readonly PathSyntax Export = ByName["ABEXPRT"];

    /// <summary>For messages: <c>LOCAL, MSWNET, …</c>.</summary>
    public static readonly string Names = string.Join(", ", All.Select(syntax => syntax.Name));

    /// <summary>For messages: <c>file, smb, …</c>.</summary>
    public static readonly string Schemes = string.Join(", ", All.Select(syntax => syntax.Scheme));

    /// <summary>What is wrong with a segment, and at which of its characters; null when nothing is.</summary>
    public NalPathFault? FaultInSegment(string segment)
    {
        if (segment.Length == 0)
            return new(0, "a segment name (segments are separated by one separator)");
        if (segment is "." or "..")
            return new(0, "a segment name other than '.' and '..'");
        if (FaultInText(segment) is { } fault)
            return fault;
        if (WindowsSegments && WithoutDrive(segment).IndexOfAny(WindowsForbidden) is var at and >= 0)
            return new(at, "a segment without any of : * ? \" < > |");
        return WindowsSegments && segment[^1] is '.' or ' '
            ? new(segment.Length - 1, "a segment that does not end in a dot or a blank")
            : null;
    }

    /// <summary>What is wrong with a host name; null when nothing is. Addresses of IPv6 are not judged here.</summary>
    public static NalPathFault? FaultInHost(string host)
    {
        if (host.Length == 0)
            return new(0, "a server name");
        for (var at = 0; at < host.Length; at++)
        {
            if (!char.IsLetterOrDigit(host[at]) && !HostPunctuation.Contains(host[at]))
                return new(at, "a letter, a digit or one of - _ . of a server name");
        }
        return host.Length > 253 ? new(253, "a server name of at most 253 characters") : null;
    }

    /// <summary>What is wrong with the name of a tree or an abstract export; null when nothing is.</summary>
    public static NalPathFault? FaultInName(string name)
    {
        if (name.Length == 0)
            return new(0, "a name");
        if (name[0] == ' ')
            return new(0, "a name that does not begin with a blank");
        return FaultInText(name) ?? (name[^1] == ' ' ? new(name.Length - 1, "a name that does not end in a blank") : null);
    }

    /// <summary>Characters that no part of a path may hold: separators, control characters, halves of a surrogate pair.</summary>
    public static NalPathFault? FaultInText(ReadOnlySpan<char> text)
    {
        for (var at = 0; at < text.Length; at++)
        {
            if (char.IsControl(text[at]))
                return new(at, "no control character");
            if (text[at] is '\\' or '/')
                return new(at, "no slash or backslash inside a name");
            if (char.IsHighSurrogate(text[at]) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]))
                at++;
            else if (char.IsSurrogate(text[at]))
                return new(at, "a whole character (this is half of a surrogate pair)");
        }
        return null;
    }

    private ReadOnlySpan<char> WithoutDrive(string segment) =>
        Root == RootKind.None && segment is [var letter, ':'] && char.IsAsciiLetter(letter) ? [] : segment;
}

/// <summary>A fault inside one part of a path.</summary>
/// <param name="At">Offset in the part, from 0.</param>
/// <param name="Expected">What was expected there.</param>
internal readonly record struct NalPathFault(int At, string Expected);
