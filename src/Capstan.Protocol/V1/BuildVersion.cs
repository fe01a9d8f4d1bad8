using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Capstan.Protocol.V1;

/// <summary>A version of the agent, <c>N.N.N</c> or <c>N.N.N-word.word</c>, in the order of Semantic Versioning 2.0 section 11. At most 40 characters.</summary>
public sealed class BuildVersion
{
    private const int MaxLength = 40;

    private readonly int[] _numbers;
    private readonly string[] _words;
    private readonly string _text;

    private BuildVersion(int[] numbers, string[] words, string text)
    {
        _numbers = numbers;
        _words = words;
        _text = text;
    }

    public static bool TryParse(string? text, [NotNullWhen(true)] out BuildVersion? version)
    {
        version = null;
        if (text is null || text.Length > MaxLength)
            return false;
        var dash = text.IndexOf('-', StringComparison.Ordinal);
        var parts = (dash < 0 ? text : text[..dash]).Split('.');
        var words = dash < 0 ? [] : text[(dash + 1)..].Split('.');
        var numbers = new int[3];
        if (parts.Length != 3 || !words.All(IsWord))
            return false;
        for (var i = 0; i < 3; i++)
        {
            if (!IsNumber(parts[i]) || !int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
                return false;
        }
        version = new BuildVersion(numbers, words, text);
        return true;
    }

    /// <returns>Below 0 when this one is older, 0 when both are of one rank, above 0 when it is newer, or <paramref name="other"/> is null.</returns>
    public int CompareRank(BuildVersion? other)
    {
        if (other is null)
            return 1;
        for (var i = 0; i < 3; i++)
        {
            if (_numbers[i] != other._numbers[i])
                return _numbers[i].CompareTo(other._numbers[i]);
        }
        if (_words.Length == 0 || other._words.Length == 0)
            // What comes before a release is older than the release.
            return (_words.Length == 0).CompareTo(other._words.Length == 0);
        for (var i = 0; i < Math.Min(_words.Length, other._words.Length); i++)
        {
            if (CompareWords(_words[i], other._words[i]) is var order and not 0)
                return order;
        }
        return _words.Length.CompareTo(other._words.Length);
    }

    public override string ToString() => _text;

    /// <summary>Numbers by value (of any length: no leading zeros), and below words.</summary>
    private static int CompareWords(string left, string right) => (IsNumber(left), IsNumber(right)) switch
    {
        (true, true) => left.Length != right.Length ? left.Length.CompareTo(right.Length) : string.CompareOrdinal(left, right),
        (true, false) => -1,
        (false, true) => 1,
        _ => string.CompareOrdinal(left, right),
    };

    private static bool IsNumber(string text) => text.Length > 0 && text.All(char.IsAsciiDigit) && (text.Length == 1 || text[0] != '0');

    private static bool IsWord(string word) => word.Length > 0 && (IsNumber(word) || (word.All(c => char.IsAsciiLetterOrDigit(c) || c == '-') && !word.All(char.IsAsciiDigit)));
}
