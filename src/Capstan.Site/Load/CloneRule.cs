namespace Capstan.Site.Load;

/// <summary>Who made a record, as far as records tell: an installation on certain hardware, and one start of its client.</summary>
/// <param name="Nonce">Of the installation; anew when its directory is found on other hardware.</param>
/// <param name="Instance">Of one start of the client; null from a client that tells none.</param>
internal sealed record Speaker(string Nonce, string? Instance)
{
    /// <summary>The start before, as the disk remembers it: this one goes on where that one ended. Null for none, and from a client that tells none.</summary>
    public string? Previous { get; init; }
}

/// <summary>Tells a copied identity from a restored one. Pure.</summary>
/// <remarks>
/// Records are a chain, so what was taken in stands in the order in which it was made. A machine that was set back, moved or restarted speaks under a new name and never
/// again under its old one. Who speaks, is followed by somebody else, and speaks again, lives beside that one: two machines have one identity.
/// A start that goes on where another ended speaks for that one: after it, somebody else was heard who goes on from elsewhere, so both are alive. (Who goes on from it, too, is the machine
/// itself, set back.)
/// The original is the one that the identity was registered with, else the one that spoke first after they parted; nothing tells more where the hardware tells nothing.
/// </remarks>
internal static class CloneRule
{
    /// <summary>Speakers that are remembered of each device, of the present installation and again of those before it: more copies of one identity than this are told apart one after the other.</summary>
    public const int MaxHistory = 8;

    /// <param name="history">Who spoke so far, oldest first, no two neighbours equal.</param>
    /// <param name="now">Who made the record that is taken in now.</param>
    /// <param name="registered">The nonce that the device asked to become a client with.</param>
    /// <returns>The history to keep, and the names (nonces or instances) that are to make an identity of their own; empty for none.</returns>
    public static (IReadOnlyList<Speaker> History, IReadOnlyList<string> Newcomers) Heard(IReadOnlyList<Speaker> history, Speaker now, string registered)
    {
        if (history.Count > 0 && IsSame(history[^1], now))
            return (history, []);
        var newcomers = Newcomers(history, now, registered);
        var kept = history.Append(now).Where(speaker => !IsNewcomer(newcomers, speaker));
        return (Short(WithoutRepeats(kept)), newcomers);
    }

    /// <summary>Whether a record is of a machine that was told to make its own identity, be it restarted since.</summary>
    public static bool IsNewcomer(IReadOnlyList<string> newcomers, Speaker speaker) =>
        new[] { speaker.Nonce, speaker.Instance, speaker.Previous }.OfType<string>().Any(name => newcomers.Contains(name, StringComparer.Ordinal));

    private static IReadOnlyList<string> Newcomers(IReadOnlyList<Speaker> history, Speaker now, string registered)
    {
        if (Since(history, speaker => speaker.Nonce == now.Nonce) is { Count: > 0 } others)
            return Leaving(others, speaker => speaker.Nonce);
        // One nonce: the hardware tells nothing, and so the starts have to.
        if (now.Instance is null)
            return [];
        return Leaving(Since(history, speaker => IsSame(speaker, now)) is { Count: > 0 } again ? again : Apart(history, now), speaker => speaker.Instance);

        IReadOnlyList<string> Leaving(IReadOnlyList<Speaker> machines, Func<Speaker, string?> name) =>
            [.. (now.Nonce != registered && machines.Any(speaker => speaker.Nonce == registered) ? [now] : machines).Select(name).OfType<string>().Distinct(StringComparer.Ordinal)];
    }

    /// <summary>Who was heard since <paramref name="isSame"/> spoke last; empty when it never did.</summary>
    private static IReadOnlyList<Speaker> Since(IReadOnlyList<Speaker> history, Func<Speaker, bool> isSame)
    {
        var before = history.Count - 1;
        while (before >= 0 && !isSame(history[before]))
            before--;
        return before < 0 ? [] : [.. history.Skip(before + 1)];
    }

    /// <summary>Who was heard since the start that <paramref name="now"/> goes on from, and goes on from elsewhere. Who does not tell from where, is no proof.</summary>
    private static List<Speaker> Apart(IReadOnlyList<Speaker> history, Speaker now)
    {
        var apart = new List<Speaker>();
        if (now.Previous is null)
            return apart;
        var line = new HashSet<string>(StringComparer.Ordinal) { now.Previous };
        foreach (var speaker in Since(history, speaker => speaker.Instance == now.Previous))
        {
            if (speaker is not { Instance: { } instance, Previous: { } previous })
                continue;
            if (line.Contains(previous))
                line.Add(instance);
            else
                apart.Add(speaker);
        }
        return apart;
    }

    private static List<Speaker> WithoutRepeats(IEnumerable<Speaker> speakers)
    {
        var kept = new List<Speaker>();
        foreach (var speaker in speakers)
            if (kept.Count == 0 || !IsSame(kept[^1], speaker))
                kept.Add(speaker);
        return kept;
    }

    /// <summary>Of an installation that another one has followed the last start is enough. Of both, the first stays: it tells who was there first.</summary>
    private static List<Speaker> Short(List<Speaker> speakers)
    {
        if (speakers.Count <= MaxHistory)
            return speakers;
        var present = speakers.FindLastIndex(speaker => speaker.Nonce != speakers[^1].Nonce) + 1;
        return [.. Shortened([.. speakers.Take(present).Where((speaker, place) => speaker.Nonce != speakers[place + 1].Nonce)]), .. Shortened(speakers[present..])];
    }

    private static List<Speaker> Shortened(List<Speaker> speakers)
    {
        while (speakers.Count > MaxHistory)
        {
            // The oldest that somebody went on from: that one stands for it. Else the oldest, but for the first.
            var gone = Math.Max(1, speakers.FindIndex(1, speaker => speakers.Any(next => next.Previous == speaker.Instance && speaker.Instance is not null)));
            for (var next = gone + 1; next < speakers.Count; next++)
                if (speakers[gone].Instance is { } instance && speakers[next].Previous == instance)
                    speakers[next] = speakers[next] with { Previous = speakers[gone].Previous };
            speakers.RemoveAt(gone);
        }
        return speakers;
    }

    private static bool IsSame(Speaker one, Speaker other) => one.Nonce == other.Nonce && one.Instance == other.Instance;
}
