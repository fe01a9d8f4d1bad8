using System.Text;
using System.Text.RegularExpressions;

namespace Capstan.Cli.Doctor.Logs;

/// <summary>One pattern of a condition. Immutable; thread-safe.</summary>
/// <remarks>A log has millions of lines that match nothing: a line is looked at by the pattern only when it holds the pattern's literal, which one search for all literals tells.</remarks>
internal sealed class Symptom
{
    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant;
    private const int ShortestLiteral = 3;

    /// <summary>For one line. Patterns do not backtrack, so the longest line takes milliseconds; this bounds a surprise.</summary>
    private static readonly TimeSpan LongestMatch = TimeSpan.FromSeconds(5);

    private readonly Lazy<Regex> _regex;

    /// <exception cref="ArgumentException">It has no literal of 3 characters outside of groups and classes.</exception>
    public Symptom(string pattern)
    {
        Literal = LiteralOf(pattern);
        if (Literal.Length < ShortestLiteral)
            throw new ArgumentException($"'{pattern}' has no literal of {ShortestLiteral} characters or more outside of groups and classes, by which lines can be searched.", nameof(pattern));
        _regex = new Lazy<Regex>(() => new Regex(pattern, Options, LongestMatch));
    }

    /// <summary>Stands, in whatever case, in each line that the pattern matches.</summary>
    public string Literal { get; }

    /// <exception cref="RegexMatchTimeoutException">The machine is too busy to judge this line.</exception>
    public Match? Match(string line) => _regex.Value.Match(line) is { Success: true } match ? match : null;

    /// <summary>The longest run of letters that every match must have: none of a group, of a class, or of what may be left out.</summary>
    private static string LiteralOf(string pattern)
    {
        var (longest, run, depth) = ("", new StringBuilder(), 0);
        void End()
        {
            if (run.Length > longest.Length)
                longest = run.ToString();
            run.Clear();
        }
        for (var i = 0; i < pattern.Length; i++)
        {
            var letter = pattern[i];
            if (letter == '\\')
            {
                // An escaped letter or digit is a class or an anchor; anything else is itself.
                var escaped = pattern[++i];
                if (depth > 0 || char.IsAsciiLetterOrDigit(escaped))
                    End();
                else
                    run.Append(escaped);
            }
            else if (letter == '[')
            {
                End();
                i = ClassEnd(pattern, i);
            }
            else if (letter is '(' or ')')
            {
                End();
                depth += letter == '(' ? 1 : -1;
            }
            else if (letter is '?' or '*' or '{')
            {
                // What stands before may be left out.
                if (run.Length > 0)
                    run.Length--;
                End();
                if (letter == '{')
                    i = pattern.IndexOf('}', i);
            }
            else if (letter == '|' && depth == 0)
            {
                return "";
            }
            else if (letter is '.' or '^' or '$' or '+' || depth > 0)
            {
                End();
            }
            else
            {
                run.Append(letter);
            }
        }
        End();
        return longest;
    }

    private static int ClassEnd(string pattern, int start)
    {
        var end = start + 1;
        while (pattern[end] != ']')
            end += pattern[end] == '\\' ? 2 : 1;
        return end;
    }
}
