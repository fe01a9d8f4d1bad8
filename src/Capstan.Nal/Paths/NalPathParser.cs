using System.Diagnostics.CodeAnalysis;

namespace Capstan.Nal.Paths;

/// <summary>Tells the two forms apart and gives the common mistakes their own answer. Pure.</summary>
internal static class NalPathParser
{
    /// <summary>Longest text that is looked at, in characters (Windows' longest path).</summary>
    public const int MaxLength = 32_767;

    public static bool TryParse(string text, [NotNullWhen(true)] out NalPath? path, [NotNullWhen(false)] out NalPathError? error)
    {
        path = null;
        error = text.Length > MaxLength
            ? new(MaxLength + 1, $"the end of the path (at most {MaxLength} characters)")
            : CommonMistake(text);
        if (error is not null)
            return false;

        var scheme = text.Split("://", 2)[0];
        if (scheme.Length + 3 <= text.Length && PathSyntax.ByScheme.TryGetValue(scheme, out var syntax))
        {
            var uri = new UriForm(text);
            path = uri.Read(syntax);
            error = uri.Error;
        }
        else
        {
            var classic = new ClassicForm(text);
            path = classic.Read();
            error = classic.Error;
        }
        return path is not null;
    }

    private static NalPathError? CommonMistake(string text)
    {
        if (text.Length == 0)
            return new(1, $"a provider ({PathSyntax.Names}) or a URI");
        if (text.StartsWith("\\\\", StringComparison.Ordinal))
            return new(1, $"a provider ({PathSyntax.Names}); for a share write MSWNET:\\\\server\\share\\ or smb://server/share/");
        if (text[0] == '\\')
            return new(1, $"a provider ({PathSyntax.Names}): the beginning of the path is lost");
        if (text[0] is '/' or '.' or '~')
            return new(1, $"a provider ({PathSyntax.Names}) or a URI; for a directory write {Suggestion(text)}");
        if (text.Length >= 2 && char.IsAsciiLetter(text[0]) && text[1] == ':')
            return new(1, $"a provider ({PathSyntax.Names}) or a URI; for a directory write file:///{text[0]}:/…");

        var colon = text.IndexOf(':', StringComparison.Ordinal);
        if (text[0] == '[')
            return null;
        if (colon < 0)
            return new(1, $"a provider ({PathSyntax.Names}) or a URI; for a directory write file:///…");
        var name = text[..colon];
        if (PathSyntax.ByScheme.ContainsKey(name) && !PathSyntax.ByName.ContainsKey(name))
            return text.AsSpan(colon + 1).StartsWith("//") ? null : new(colon + 2, $"two slashes after {name}:");
        return PathSyntax.ByName.ContainsKey(name)
            ? null
            : new(1, $"a provider ({PathSyntax.Names}) or a URI scheme ({PathSyntax.Schemes})");
    }

    private static string Suggestion(string directory) =>
        directory[0] == '/' && directory.Length < 200 && TryParse($"file://{directory}", out var path, out _) ? path.ToUri() : "file:///…";
}
