using System.Security.Cryptography;

namespace Capstan.Nal.Providers;

/// <summary>Names of the temporaries that a replace writes: <c>.capstan-&lt;16 hex digits&gt;.tmp</c>. They are never listed and cannot be asked for.</summary>
internal static class TemporaryNames
{
    /// <summary>A temporary that is older than this belongs to a process that was killed.</summary>
    public static readonly TimeSpan AbandonedAfter = TimeSpan.FromHours(1);

    private const string Prefix = ".capstan-";
    private const string Suffix = ".tmp";
    private const int Digits = 16;

    /// <summary>For servers that look for names: all temporaries, and perhaps others.</summary>
    public const string Pattern = Prefix + "*" + Suffix;

    public static string Next() => Prefix + RandomNumberGenerator.GetHexString(Digits, lowercase: true) + Suffix;

    public static bool Is(ReadOnlySpan<char> name) =>
        name.Length == Prefix.Length + Digits + Suffix.Length
        && name.StartsWith(Prefix, StringComparison.Ordinal) && name.EndsWith(Suffix, StringComparison.Ordinal)
        && !name.Slice(Prefix.Length, Digits).ContainsAnyExcept(System.Buffers.SearchValues.Create("0123456789abcdef"));
}
