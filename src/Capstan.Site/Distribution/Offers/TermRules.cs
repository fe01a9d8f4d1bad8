using System.Globalization;
using Capstan.Protocol.V1;
using Capstan.Site.Api;

namespace Capstan.Site.Distribution.Offers;

/// <summary>Refuses terms of an advertisement that nobody can mean: a mistyped year starts a program everywhere at once, or never. Pure.</summary>
internal static class TermRules
{
    /// <summary>What lies further back was not meant as "at once", and what lies further ahead was not meant at all.</summary>
    private static readonly TimeSpan s_longestBack = TimeSpan.FromDays(1), s_longestAhead = TimeSpan.FromDays(3_660);

    /// <summary>Each time that is given and is not there already, and the zone, by themselves.</summary>
    /// <param name="known">As it is; null for one that is made.</param>
    /// <exception cref="SiteException"><c>bad_advertisement</c> with all problems.</exception>
    public static void CheckGiven(AdvertisementRules? rules, Advertisement? known, DateTimeOffset now)
    {
        if (rules is null)
            return;
        var problems = new List<string>();
        foreach (var (name, given, before) in new[]
        {
            ("The time from which a person may start it", rules.AvailableFrom, known?.AvailableFrom), ("The start", rules.StartAt, known?.StartAt), ("The deadline", rules.Deadline, known?.Deadline), ("The end", rules.ExpiresAt, known?.ExpiresAt),
        })
        {
            // 0 takes it away.
            if (given is not (null or 0) && given != before)
                Range(name, given.Value);
        }
        foreach (var ring in rules.Rings ?? [])
        {
            if (ring is not null && known?.Rings?.Any(each => each.At == ring.At) != true)
                Range(string.Create(CultureInfo.InvariantCulture, $"The ring of {ring.Percent} %"), ring.At);
        }
        if (rules.Recurrence?.TimeZone is { } zone && !IsZone(zone))
            problems.Add($"There is no time zone {zone}: write local, utc, or a name like Europe/Berlin, letter by letter.");
        Refuse(problems);

        void Range(string name, long at)
        {
            if (at < (now - s_longestBack).ToUnixTimeSeconds())
                problems.Add($"{name} lies {Ago(at)} back: for at once say now.");
            else if (at > (now + s_longestAhead).ToUnixTimeSeconds())
                problems.Add($"{name} lies more than ten years ahead.");
        }

        string Ago(long at) => at < DateTimeOffset.MinValue.ToUnixTimeSeconds() ? "for ever" : string.Create(CultureInfo.InvariantCulture, $"{(now - DateTimeOffset.FromUnixTimeSeconds(at)).TotalDays:N0} days");
    }

    /// <summary>What the terms say together. Asked only where one of them was given: what is there already is refused to nobody who changes something else.</summary>
    /// <exception cref="SiteException"><c>bad_advertisement</c> with all problems.</exception>
    public static void CheckOrder(Advertisement document, Advertisement? known, AdvertisementRules? rules, DateTimeOffset now)
    {
        if (rules is not { } given || (given.StartAt ?? given.Deadline ?? given.ExpiresAt) is null && given.Rings is null && given.Purpose is null)
            return;
        var problems = new List<string>();
        if (document.ExpiresAt is { } end)
        {
            if (known is null && end <= now.ToUnixTimeSeconds())
                problems.Add("It would have expired before it is offered.");
            // To end one at once is no mistake, whatever it was to do later.
            else if (end > now.ToUnixTimeSeconds() && end <= document.StartAt)
                problems.Add("It expires before it starts.");
            else if (end > now.ToUnixTimeSeconds() && document.Rings is [.., var last] && end <= last.At)
                problems.Add("It expires before its last ring begins.");
        }
        if (document.Deadline < document.StartAt)
            problems.Add("Its deadline is before its start.");
        if (given.Rings is { Count: > 1 } rings && rings.Skip(1).FirstOrDefault(ring => ring?.At < document.StartAt) is { } early)
            problems.Add(string.Create(CultureInfo.InvariantCulture, $"The ring of {early.Percent} % would begin before the start: nothing begins before that, so all such rings would begin at once."));
        if (document.Purpose == Advertisement.Available && (document.StartAt is not null || document.Rings is not null))
            problems.Add("A start and rings are for what is required; what is available begins when a person asks for it.");
        Refuse(problems);
    }

    /// <summary>Whether clients can know it: a name of the IANA data base, as this machine has it. A machine without the data base knows none, and refuses none.</summary>
    private static bool IsZone(string name) => name is Recurrence.Local or Recurrence.Utc || (TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone) && !IsOtherCase(zone.Id, name)) || !TimeZoneInfo.TryFindSystemTimeZoneById("Europe/Berlin", out _);

    /// <summary>This process finds a zone in any case of letters once it has found it; a client that looks for the first time does not.</summary>
    private static bool IsOtherCase(string id, string name) => id != name && id.Equals(name, StringComparison.OrdinalIgnoreCase);

    private static void Refuse(List<string> problems)
    {
        if (problems.Count > 0)
            throw new SiteException(string.Join(' ', problems), "bad_advertisement");
    }
}
