using Capstan.Nal.Paths;
using Capstan.Protocol.Content;

namespace Capstan.Client.Content;

/// <summary>What went wrong at which CAP in one round: a chunk, a pack, or all of it. What a CAP could not give is asked of the others, and nothing else is given up. Thread-safe.</summary>
internal sealed class SourceFaults
{
    /// <summary>Wrong chunks after which a pack is given up, and packs, and chunks of several packs, after which the CAP is.</summary>
    public const int MostOfPack = 16, MostPacks = 3, MostOfCap = 64;

    /// <summary>Causes that are kept, and those that are shown.</summary>
    private const int MostCauses = 20, MostShown = 4;

    private readonly Lock _gate = new();
    private readonly HashSet<(NalPath Cap, ContentHash Pack)> _packs = [];
    private readonly HashSet<(NalPath Cap, ContentHash Pack, long Offset)> _chunks = [];
    private readonly Dictionary<(NalPath Cap, ContentHash Pack), int> _wrong = [];
    private readonly HashSet<NalPath> _lost = [];
    private readonly List<string> _causes = [], _refusals = [];

    private readonly HashSet<NalPath> _blamed = [];

    /// <summary>CAPs that gave something wrong, or lacked it, or were lost.</summary>
    public IReadOnlyList<NalPath> Blamed { get { lock (_gate) return [.. _blamed]; } }

    /// <summary>Whether a CAP answered, and did not have what it should: only then the site can mend it.</summary>
    public bool IsContentWrong { get { lock (_gate) return _packs.Count > 0 || _chunks.Count > 0; } }

    /// <summary>A CAP that was read does not answer any more.</summary>
    public void Lose(NalPath cap, string cause)
    {
        lock (_gate)
        {
            _lost.Add(cap);
            Blame(cap, cause);
        }
    }

    /// <summary>A CAP that is full, or cannot be reached now: it is not asked again in this round, and nothing is wrong with its content.</summary>
    public void Refuse(NalPath cap, string cause)
    {
        lock (_gate)
        {
            _lost.Add(cap);
            Add(_refusals, cause);
        }
    }

    /// <returns>True when that was not known.</returns>
    public bool AddPack(NalPath cap, ContentHash pack, string cause)
    {
        lock (_gate)
        {
            if (!_packs.Add((cap, pack)))
                return false;
            Blame(cap, cause);
            return true;
        }
    }

    /// <summary>A chunk is not what was published. A CAP that lies is not read to its end for that: beyond some wrong chunks the pack is given up, and beyond some packs the CAP.</summary>
    public Wrong AddChunk(NalPath cap, NeededChunk chunk, string cause)
    {
        lock (_gate)
        {
            if (_lost.Contains(cap) || _packs.Contains((cap, chunk.Pack)) || !_chunks.Add((cap, chunk.Pack, chunk.Offset)))
                return Wrong.Known;
            Blame(cap, cause);
            var wrong = _wrong[(cap, chunk.Pack)] = _wrong.GetValueOrDefault((cap, chunk.Pack)) + 1;
            var ofCap = _wrong.Where(entry => entry.Key.Cap.Equals(cap)).Select(entry => entry.Value).ToList();
            if (ofCap.Count(count => count >= MostOfPack) >= MostPacks || ofCap.Sum() >= MostOfCap)
            {
                _lost.Add(cap);
                return Wrong.Cap;
            }
            if (wrong < MostOfPack)
                return wrong == 1 ? Wrong.First : Wrong.Known;
            _packs.Add((cap, chunk.Pack));
            return Wrong.Pack;
        }
    }

    public bool IsLost(NalPath cap)
    {
        lock (_gate)
            return _lost.Contains(cap);
    }

    /// <summary>Whether it is worth asking this CAP for the chunk.</summary>
    public bool MayGive(NalPath cap, NeededChunk chunk)
    {
        lock (_gate)
            return !_lost.Contains(cap) && !_packs.Contains((cap, chunk.Pack)) && !_chunks.Contains((cap, chunk.Pack, chunk.Offset));
    }

    /// <summary>For a person: the first causes, in the order in which they were met; null when nothing went wrong.</summary>
    public string? Text()
    {
        lock (_gate)
            return Text(_causes);
    }

    /// <summary>As <see cref="Text()"/>, of the CAPs that were full or away.</summary>
    public string? Refusals()
    {
        lock (_gate)
            return Text(_refusals);
    }

    private static string? Text(List<string> causes) =>
        causes.Count == 0 ? null : string.Join("; ", causes.Take(MostShown)) + (causes.Count > MostShown ? $"; and {causes.Count - MostShown} more" : "");

    private void Blame(NalPath cap, string cause)
    {
        _blamed.Add(cap);
        Add(_causes, cause);
    }

    private static void Add(List<string> causes, string cause)
    {
        if (causes.Count < MostCauses && !causes.Contains(cause, StringComparer.Ordinal))
            causes.Add(cause);
    }
}

/// <summary>What a wrong chunk means for what is read next.</summary>
internal enum Wrong
{
    /// <summary>One of a pack of which that is known.</summary>
    Known = 0,
    /// <summary>The first of its pack.</summary>
    First = 1,
    /// <summary>So many of its pack that it is given up.</summary>
    Pack = 2,
    /// <summary>So many that the CAP is given up for this round.</summary>
    Cap = 3,
}
