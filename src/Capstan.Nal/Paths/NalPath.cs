using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Capstan.Nal.Paths;

/// <summary>A typed resource string in canonical form. Grammar: docs/protocol.md, "NAL paths".</summary>
/// <remarks>
/// <para>Canonical: provider and site code in upper case, hosts in lower case, a port only where it is not the provider's default, one trailing
/// backslash (an abstract export without segments ends in none, as logs have always written it). Segments keep their letter case.</para>
/// <para>Equality covers provider, root, port, segments, site code and <see cref="IsPreferred"/>; <see cref="Display"/> is a label, whose
/// backslashes differ from writer to writer, and counts for nothing. Names of trees and exports, and segments under MSWNET, NWBIND, NWNDS (and
/// LOCAL on Windows) are compared without letter case; all other segments with it.</para>
/// <para>LOCAL has no root; its segments are the directory from the top: <c>LOCAL:\\srv\cap\</c> is <c>/srv/cap</c>, <c>LOCAL:\\C:\cap\</c> is
/// <c>C:\cap</c>, <c>LOCAL:\\</c> is <c>/</c>. A directory whose name holds a backslash or a control character has no NAL path.</para>
/// <para>In the classic form a port and an address of IPv6 stand as in a URI: <c>MSWNET:\\[fd00::1]:4450\cap\</c>.</para>
/// <para>Immutable and thread-safe.</para>
/// </remarks>
public sealed class NalPath : IEquatable<NalPath>
{
    private readonly PathSyntax _syntax;

    private NalPath(PathSyntax syntax) => _syntax = syntax;

    /// <summary>Upper case: <c>LOCAL MSWNET NWBIND NWNDS ABEXPRT SFTP HTTPS S3</c>.</summary>
    public string Provider => _syntax.Name;
    /// <summary>The display qualifier's text as it was written; null when absent.</summary>
    public string? Display { get; private init; }
    /// <summary>Three characters, upper case; null when absent.</summary>
    public string? SiteCode { get; private init; }
    public bool IsPreferred { get; private init; }
    /// <summary>Server, tree or list name. Hosts are lower case, addresses of IPv6 without brackets; for LOCAL this is empty.</summary>
    public string Root { get; private init; } = "";
    /// <summary>1 to 65535; null for the provider's default.</summary>
    public int? Port { get; private init; }
    public IReadOnlyList<string> Segments { get; private init; } = [];

    /// <summary>The server's canonical name, <c>host:port</c> with the port always there and an address of IPv6 in brackets: <c>fs1:445</c>,
    /// <c>[fd00::1]:4450</c>. Null for a path that names no server (LOCAL, NWNDS, ABEXPRT).</summary>
    public string? Server => _syntax.Root == RootKind.Host ? RootText.Write(Root, Port ?? _syntax.DefaultPort) : null;

    /// <summary>True for <c>ABEXPRT</c>: a name for a list of paths, which only the arbiter can resolve.</summary>
    public bool IsExport => _syntax == PathSyntax.Export;

    /// <summary>Accepts both forms: <c>MSWNET:["SMS_SITE=ABC"]\\server\share\</c> and <c>smb://server/share/</c>.</summary>
    /// <exception cref="FormatException">With the column (from 1) and what was expected there.</exception>
    public static NalPath Parse(string text) => TryParse(text, out var path, out var error)
        ? path
        : throw new FormatException($"'{Shorten(text)}' is not a NAL path: column {error.Column}: expected {error.Expected}");

    public static bool TryParse(string text, [NotNullWhen(true)] out NalPath? path, [NotNullWhen(false)] out NalPathError? error)
    {
        ArgumentNullException.ThrowIfNull(text);
        return NalPathParser.TryParse(text, out path, out error);
    }

    /// <summary>A LOCAL path for a directory of this machine; a relative one is taken from the working directory.</summary>
    /// <exception cref="ArgumentException">Empty, a share (<c>\\server\share</c>), or a name that no NAL path can hold.</exception>
    public static NalPath FromDirectory(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        var full = System.IO.Path.GetFullPath(directory);
        if (OperatingSystem.IsWindows() && full.StartsWith("\\\\", StringComparison.Ordinal))
            throw new ArgumentException($"'{full}' is a share, not a directory of this machine: write MSWNET:{full}", nameof(directory));
        var syntax = PathSyntax.ByName["LOCAL"];
        var segments = full.Split(System.IO.Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
        foreach (var segment in segments)
        {
            if (syntax.FaultInSegment(segment) is { } fault)
                throw new ArgumentException($"'{full}' has no NAL path: in '{segment}', character {fault.At + 1}: expected {fault.Expected}", nameof(directory));
        }
        return Create(syntax, display: null, siteCode: null, isPreferred: false, root: "", port: null, segments);
    }

    /// <summary>An abstract export by name.</summary>
    /// <exception cref="ArgumentException">The name is empty, begins or ends with a blank, or holds a slash, a backslash or a control character.</exception>
    public static NalPath Export(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return PathSyntax.FaultInName(name) is { } fault
            ? throw new ArgumentException($"'{Shorten(name)}' cannot name an abstract export: character {fault.At + 1}: expected {fault.Expected}", nameof(name))
            : Create(PathSyntax.Export, display: null, siteCode: null, isPreferred: false, name, port: null, []);
    }

    /// <summary>The directory on this machine; null unless the provider is LOCAL.</summary>
    public string? LocalDirectory => _syntax.Root != RootKind.None
        ? null
        : !OperatingSystem.IsWindows()
            ? "/" + string.Join('/', Segments)
            : Segments is [[_, ':']] ? Segments[0] + "\\" : (Segments is [[_, ':'], ..] ? "" : "\\") + string.Join('\\', Segments);

    /// <summary>This path with other qualifiers; the display text goes.</summary>
    /// <exception cref="ArgumentException">The site code is none.</exception>
    public NalPath WithQualifiers(string? siteCode, bool isPreferred)
    {
        var canonical = siteCode is null ? null : SiteCodes.Canonical(siteCode)
            ?? throw new ArgumentException($"'{Shorten(siteCode)}' is not {SiteCodes.Rule}", nameof(siteCode));
        return Create(_syntax, display: null, canonical, isPreferred, Root, Port, Segments);
    }

    /// <summary>This path with further segments: how the rest of <c>ABEXPRT:\\list\rest\</c> goes to the entry that was chosen.</summary>
    /// <exception cref="ArgumentException">A segment that this provider cannot hold.</exception>
    public NalPath Append(IReadOnlyList<string> segments)
    {
        ArgumentNullException.ThrowIfNull(segments);
        foreach (var segment in segments)
        {
            if (_syntax.FaultInSegment(segment) is { } fault)
                throw new ArgumentException($"'{Shorten(segment)}' cannot follow {this}: character {fault.At + 1}: expected {fault.Expected}", nameof(segments));
        }
        return segments.Count == 0 ? this : Create(_syntax, Display, SiteCode, IsPreferred, Root, Port, [.. Segments, .. segments]);
    }

    /// <summary>The URI twin, for example <c>file:///srv/cap/</c>. Qualifiers have no place in it.</summary>
    /// <remarks>NWNDS and ABEXPRT, which no standard scheme covers, use <c>nds:</c> and <c>abexprt:</c>.</remarks>
    public string ToUri() => UriForm.Write(_syntax, Root, Port, Segments);

    /// <summary>The canonical classic form.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        if (Display is not null)
            text.Append("[\"Display=").Append(Display).Append("\"]");
        text.Append(Provider).Append(':');
        if (SiteCode is not null || IsPreferred)
        {
            text.Append('[');
            if (SiteCode is not null)
                text.Append("\"SMS_SITE=").Append(SiteCode).Append('"');
            if (IsPreferred)
                text.Append(SiteCode is null ? "" : ", ").Append("\"PREFERRED\"");
            text.Append(']');
        }
        text.Append("\\\\");
        if (_syntax.Root != RootKind.None)
        {
            text.Append(_syntax.Root == RootKind.Host ? RootText.Write(Root, Port) : Root);
            if (!IsExport || Segments.Count > 0)
                text.Append('\\');
        }
        foreach (var segment in Segments)
            text.Append(segment).Append('\\');
        return text.ToString();
    }

    public bool Equals(NalPath? other) =>
        other is not null
        && _syntax == other._syntax && IsPreferred == other.IsPreferred && Port == other.Port
        && string.Equals(SiteCode, other.SiteCode, StringComparison.Ordinal)
        && string.Equals(Root, other.Root, StringComparison.OrdinalIgnoreCase)
        && Segments.SequenceEqual(other.Segments, SegmentComparer);

    public override bool Equals(object? obj) => Equals(obj as NalPath);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(Provider, StringComparer.Ordinal);
        hash.Add(Root, StringComparer.OrdinalIgnoreCase);
        hash.Add(Port);
        foreach (var segment in Segments)
            hash.Add(segment, SegmentComparer);
        return hash.ToHashCode();
    }

    internal StringComparer SegmentComparer => _syntax.IgnoreCase ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal;

    /// <summary>The parts are valid already.</summary>
    internal static NalPath Create(PathSyntax syntax, string? display, string? siteCode, bool isPreferred, string root, int? port, IReadOnlyList<string> segments) =>
        new(syntax) { Display = display, SiteCode = siteCode, IsPreferred = isPreferred, Root = root, Port = port, Segments = segments };

    private static string Shorten(string text) => text.Length <= 120 ? text : string.Concat(text.AsSpan(0, 120), "…");
}

/// <param name="Column">1-based column of the first character that does not fit.</param>
/// <param name="Expected">What was expected there.</param>
public sealed record NalPathError(int Column, string Expected);
