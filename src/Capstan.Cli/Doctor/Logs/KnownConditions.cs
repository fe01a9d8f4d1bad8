using System.Buffers;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Capstan.Cli.Doctor.Logs;

/// <summary>What the command line knows of failures, as patterns of lines. Immutable; thread-safe.</summary>
internal sealed class KnownConditions
{
    private const string Resource = "known-conditions.json";

    /// <summary>In the order of the file.</summary>
    private readonly IReadOnlyList<(KnownCondition Condition, Symptom Symptom)> _known;
    private readonly SearchValues<string> _literals;

    /// <summary>Places in <see cref="_known"/>, by the first letter of the literal in upper case.</summary>
    private readonly ILookup<char, int> _byLetter;

    /// <exception cref="ArgumentException">A pattern has no literal.</exception>
    public KnownConditions(IReadOnlyList<KnownCondition> conditions)
    {
        ArgumentNullException.ThrowIfNull(conditions);
        _known = [.. conditions.SelectMany(condition => condition.Symptoms.Select(pattern => (condition, new Symptom(pattern))))];
        _literals = SearchValues.Create([.. _known.Select(known => known.Symptom.Literal)], StringComparison.OrdinalIgnoreCase);
        _byLetter = Enumerable.Range(0, _known.Count).ToLookup(place => char.ToUpperInvariant(_known[place].Symptom.Literal[0]));
        All = conditions;
    }

    public IReadOnlyList<KnownCondition> All { get; }

    /// <summary>Those that are built in.</summary>
    public static KnownConditions Load()
    {
        using var stream = typeof(KnownConditions).Assembly.GetManifestResourceStream(Resource) ?? throw new InvalidOperationException($"{Resource} was not built in.");
        return new KnownConditions(JsonSerializer.Deserialize(stream, ConditionJson.Default.IReadOnlyListKnownCondition) ?? throw new InvalidOperationException($"{Resource} is empty."));
    }

    /// <summary>What explains a line: the conditions of the strongest rank that match, in the order of the file; none for a line that is not known.</summary>
    /// <exception cref="RegexMatchTimeoutException">The machine is too busy to judge this line.</exception>
    public IReadOnlyList<Recognition> Recognize(string text)
    {
        var found = new List<Recognition>();
        foreach (var place in Candidates(text))
        {
            var (condition, symptom) = _known[place];
            if (found.Count > 0 && found[^1].Condition == condition)
                continue;
            if (symptom.Match(text) is { } match)
                found.Add(new Recognition(condition, About(match)));
        }
        return found.Count < 2 ? found : [.. found.Where(one => one.Condition.Rank == found.Max(other => other.Condition.Rank))];
    }

    /// <summary>The patterns whose literal stands in the line: one pass, whatever number of patterns there is.</summary>
    private IEnumerable<int> Candidates(string text)
    {
        SortedSet<int>? places = null;
        for (int at = 0, next; (next = text.AsSpan(at).IndexOfAny(_literals)) >= 0; at += next + 1)
        {
            foreach (var place in _byLetter[char.ToUpperInvariant(text[at + next])])
            {
                if (text.AsSpan(at + next).StartsWith(_known[place].Symptom.Literal, StringComparison.OrdinalIgnoreCase))
                    (places ??= []).Add(place);
            }
        }
        return places ?? Enumerable.Empty<int>();
    }

    private static string? About(Match match)
    {
        foreach (var name in (ReadOnlySpan<string>)["server", "path", "account"])
        {
            if (match.Groups[name] is { Success: true } group)
                return group.Value;
        }
        return null;
    }
}

/// <param name="About">The server, path or account that the line is about; null when it names none.</param>
internal sealed record Recognition(KnownCondition Condition, string? About);
