using Capstan.Nal.Paths;
using Capstan.Protocol.Content;

namespace Capstan.Client.Content;

/// <summary>What went wrong at which CAP in one round: a chunk, a pack, or all of it. What a CAP could not give is asked of the others, and nothing else is given up. Thread-safe.</summary>
internal sealed class SourceFaults
{
    /// <summary>Causes that are kept, and those that are shown.</summary>
    private const int MostCauses = 20, MostShown = 4;

    private readonly Lock _gate = new();
    private readonly HashSet<(NalPath Cap, ContentHash Pack)> _packs = [];
    private readonly HashSet<(NalPath Cap, ContentHash Pack, long Offset)> _chunks = [];
    private readonly HashSet<NalPath> _lost = [];
    private readonly List<string> _causes = [];

    private readonly HashSet<NalPath> _blamed = [];

    /// <summary>CAPs that gave something wrong, or lacked it, or were lost.</summary>
    public IReadOnlyList<NalPath> Blamed { get { lock (_gate) return [.. _blamed]; } }

    /// <summary>All of a CAP: it cannot be reached, or does not answer any more.</summary>
    public void Lose(NalPath cap, string cause)
    {
        lock (_gate)
        {
            _lost.Add(cap);
            Blame(cap, cause);
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

    public void AddChunk(NalPath cap, NeededChunk chunk, string cause)
    {
        lock (_gate)
        {
            _chunks.Add((cap, chunk.Pack, chunk.Offset));
            Blame(cap, cause);
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
            return _causes.Count == 0 ? null : string.Join("; ", _causes.Take(MostShown)) + (_causes.Count > MostShown ? $"; and {_causes.Count - MostShown} more" : "");
    }

    private void Blame(NalPath cap, string cause)
    {
        _blamed.Add(cap);
        if (_causes.Count < MostCauses && !_causes.Contains(cause, StringComparer.Ordinal))
            _causes.Add(cause);
    }
}
