using System.Globalization;
using Capstan.Client.State;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;

namespace Capstan.Client.Configuration;

/// <summary>Which CAP is tried first: those given by hand, and last those that served badly, which the next process of this client knows, too. One thread at a time.</summary>
internal sealed class CapOrder
{
    /// <summary>A CAP that served badly comes last for this long; none is left out.</summary>
    public static readonly TimeSpan Remembered = TimeSpan.FromHours(12);

    /// <summary>CAPs that are remembered, the latest.</summary>
    public const int MostRemembered = 16;

    private readonly ClientCore _core;
    private readonly ArbiterOptions _options;
    private readonly TimeSpan _unpublished;

    /// <summary>Which, and when by the monotonic clock; the latest last.</summary>
    private readonly List<(NalPath Cap, TimeSpan At)> _avoided;

    /// <param name="options">Of the arbiter that serves this client.</param>
    public CapOrder(ClientCore core, ArbiterOptions options)
    {
        (_core, _options, _unpublished) = (core, options, options.RetryAfter);
        // What a clock wrote that was ahead is no hint, as what is too old: a CAP comes last for nothing then, and never for years.
        _avoided = [.. core.State.GetLines(StateKey.AvoidedCaps).Select(Parse).OfType<(NalPath, TimeSpan)>().TakeLast(MostRemembered)];
    }

    /// <summary>Before each acquisition: what is given by hand, or published, may have changed, and so may the place.</summary>
    /// <param name="addresses">Of this machine now; empty where they are not needed or cannot be read.</param>
    public void Prepare(IReadOnlyList<string> addresses)
    {
        // All CAPs of the list were refused when a refusal comes: the slowest of them is waited for.
        _options.RetryAfter = _core.CapList is { } list
            ? Backoff.Max(CapTerms.LeastHold, TimeSpan.FromSeconds(list.Caps.Max(cap => cap.MeanHoldSeconds)))
            : _unpublished;
        // Those that a person gave go before those that are near.
        _options.Preferences = CapExport.Own(_core) is { Count: > 0 } own ? own : CapExport.Near(_core.CapList, addresses);
        _options.UsePreferredServers = _options.Preferences.Count > 0;
        _avoided.RemoveAll(known => _core.Clock.Now - known.At > Remembered);
        _options.Avoided = [.. _avoided.Select(known => known.Cap)];
    }

    /// <summary>The CAP failed, or its metadata was missing or not acceptable: the next try begins with another.</summary>
    public void ServedBadly(NalPath cap)
    {
        var present = CapExport.Paths(_core);
        _avoided.RemoveAll(known => known.Cap.Equals(cap) || !present.Contains(known.Cap));
        _avoided.Add((cap, _core.Clock.Now));
        if (_avoided.Count > MostRemembered)
            _avoided.RemoveAt(0);
        Keep();
    }

    /// <param name="complete">After a complete cycle the random order is drawn anew.</param>
    public void ServedWell(NalPath cap, bool complete)
    {
        if (complete)
            _options.OrderCycle++;
        if (_avoided.RemoveAll(known => known.Cap.Equals(cap)) > 0)
            Keep();
    }

    private void Keep()
    {
        var (now, wall) = (_core.Clock.Now, _core.Clock.Wall);
        _core.State.Set((StateKey.AvoidedCaps, _avoided.Count == 0 ? null
            : string.Join('\n', _avoided.Select(known => string.Create(CultureInfo.InvariantCulture, $"{(wall - (now - known.At)).ToUnixTimeMilliseconds()} {known.Cap}")))));
    }

    /// <summary>Null for a line that says nothing now.</summary>
    private (NalPath, TimeSpan)? Parse(string line) =>
        line.Split(' ', 2) is [var stamp, var path] && long.TryParse(stamp, NumberStyles.None, CultureInfo.InvariantCulture, out var at) && at <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()
            && NalPath.TryParse(path, out var cap, out _) && _core.Clock.Remembered(DateTimeOffset.FromUnixTimeMilliseconds(at), Remembered) is { } moment ? (cap, moment) : null;
}
