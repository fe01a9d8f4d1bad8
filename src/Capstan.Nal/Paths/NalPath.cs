using System.Diagnostics.CodeAnalysis;

namespace Capstan.Nal.Paths;

/// <summary>A typed resource string in canonical form. Grammar: docs/protocol.md, "NAL paths".</summary>
public sealed class NalPath : IEquatable<NalPath>
{
    private NalPath() { }

    /// <summary>Upper case: <c>LOCAL MSWNET NWBIND NWNDS ABEXPRT SFTP HTTPS S3</c>.</summary>
    public string Provider { get; private init; } = "";
    /// <summary>The display qualifier's text; null when absent.</summary>
    public string? Display { get; private init; }
    /// <summary>Three characters, upper case; null when absent.</summary>
    public string? SiteCode { get; private init; }
    public bool IsPreferred { get; private init; }
    /// <summary>Server, tree or list name. Hosts are lower case; for LOCAL this is empty.</summary>
    public string Root { get; private init; } = "";
    /// <summary>1 to 65535; null for the provider's default.</summary>
    public int? Port { get; private init; }
    public IReadOnlyList<string> Segments { get; private init; } = [];

    /// <summary>Accepts both forms: <c>MSWNET:["SMS_SITE=ABC"]\\server\share\</c> and <c>smb://server/share/</c>.</summary>
    /// <exception cref="FormatException">With the column (from 1) and what was expected there.</exception>
    public static NalPath Parse(string text) => throw new NotSupportedException("not built yet");

    public static bool TryParse(string text, [NotNullWhen(true)] out NalPath? path, [NotNullWhen(false)] out NalPathError? error) => throw new NotSupportedException("not built yet");

    /// <summary>A LOCAL path for a directory of this machine.</summary>
    public static NalPath FromDirectory(string directory) => throw new NotSupportedException("not built yet");

    /// <summary>An abstract export by name.</summary>
    public static NalPath Export(string name) => throw new NotSupportedException("not built yet");

    /// <summary>The directory on this machine; null unless the provider is LOCAL.</summary>
    public string? LocalDirectory => throw new NotSupportedException("not built yet");

    /// <summary>The URI twin, for example <c>file:///srv/cap/</c>. Qualifiers have no place in it.</summary>
    public string ToUri() => throw new NotSupportedException("not built yet");

    /// <summary>The canonical classic form.</summary>
    public override string ToString() => throw new NotSupportedException("not built yet");

    public bool Equals(NalPath? other) => throw new NotSupportedException("not built yet");
    public override bool Equals(object? obj) => Equals(obj as NalPath);
    public override int GetHashCode() => throw new NotSupportedException("not built yet");
}

/// <param name="Column">1-based column of the first character that does not fit.</param>
/// <param name="Expected">What was expected there.</param>
public sealed record NalPathError(int Column, string Expected);
