using System.Globalization;
using Capstan.Nal.Paths;

namespace Capstan.Client.Configuration;

/// <summary>CAPs that served badly: the next process of this client knows them, too. One thread at a time.</summary>
/// <param name="kept">What was written down before, one CAP a line: when (Unix milliseconds), and its path.</param>
/// <param name="keep">Writes that down; null for none.</param>
internal sealed class AvoidedCaps(Clock clock, IEnumerable<string> kept, Action<string?> keep)
{
    /// <summary>A CAP that served badly comes last for this long; none is left out.</summary>
    public static readonly TimeSpan Remembered = TimeSpan.FromHours(12);

    /// <summary>CAPs that are remembered, the latest.</summary>
    public const int Most = 16;

    /// <summary>Which, and when by the monotonic clock; the latest last. What a clock wrote that was ahead is no hint, as what is too old: a CAP comes last for nothing then, and never for years.</summary>
    private readonly List<(NalPath Cap, TimeSpan At)> _caps = [.. kept.Select(line => Parse(clock, line)).OfType<(NalPath, TimeSpan)>().TakeLast(Most)];

    /// <summary>The latest last.</summary>
    public IReadOnlyList<NalPath> Now()
    {
        _caps.RemoveAll(known => clock.Now - known.At > Remembered);
        return [.. _caps.Select(known => known.Cap)];
    }

    /// <param name="present">CAPs that there are: others are forgotten.</param>
    public void Add(NalPath cap, IReadOnlyList<NalPath> present)
    {
        _caps.RemoveAll(known => known.Cap.Equals(cap) || !present.Contains(known.Cap));
        _caps.Add((cap, clock.Now));
        if (_caps.Count > Most)
            _caps.RemoveAt(0);
        Keep();
    }

    public void Remove(NalPath cap)
    {
        if (_caps.RemoveAll(known => known.Cap.Equals(cap)) > 0)
            Keep();
    }

    public void Clear()
    {
        if (_caps.Count == 0)
            return;
        _caps.Clear();
        Keep();
    }

    private void Keep()
    {
        var (now, wall) = (clock.Now, clock.Wall);
        keep(_caps.Count == 0 ? null : string.Join('\n', _caps.Select(known => string.Create(CultureInfo.InvariantCulture, $"{(wall - (now - known.At)).ToUnixTimeMilliseconds()} {known.Cap}"))));
    }

    /// <summary>Null for a line that says nothing now.</summary>
    private static (NalPath, TimeSpan)? Parse(Clock clock, string line) =>
        line.Split(' ', 2) is [var stamp, var path] && long.TryParse(stamp, NumberStyles.None, CultureInfo.InvariantCulture, out var at) && at <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()
            && NalPath.TryParse(path, out var cap, out _) && clock.Remembered(DateTimeOffset.FromUnixTimeMilliseconds(at), Remembered) is { } moment ? (cap, moment) : null;
}
