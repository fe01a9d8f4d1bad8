using Capstan.Nal.Paths;
using Capstan.Protocol.Content;

namespace Capstan.Client.Content;

/// <summary>Chunks that CAPs gave wrong, over the rounds of all versions: what was wrong is not read again with each lease. In memory, by the monotonic clock. Thread-safe.</summary>
/// <remarks>It ends by itself, and at once for a pack of which a chunk was asked for again and is right: the site has replaced it.</remarks>
internal sealed class WrongChunks(TimeProvider time)
{
    /// <summary>Counted from the first wrong chunk of a pack.</summary>
    public static readonly TimeSpan Believed = TimeSpan.FromHours(6);

    /// <summary>Chunks that are known at most; beyond, the pack that was wrong first is forgotten.</summary>
    public const int Most = 4_096;

    /// <summary>Wrong chunks in turn, with nothing right among them, after which a CAP is believed to have nothing.</summary>
    public const int MostInVain = SourceFaults.MostOfPack * SourceFaults.MostPacks;

    /// <summary>How long a pack that does not grow counts as one that is being written.</summary>
    public static readonly TimeSpan Written = TimeSpan.FromMinutes(15);

    private readonly Lock _gate = new();
    private readonly Dictionary<(NalPath Cap, ContentHash Pack), (long? Ends, long Since, long Seen)> _growing = [];
    private readonly Dictionary<(NalPath Cap, ContentHash Pack), (HashSet<long> Offsets, string Cause, long Since)> _packs = [];
    private readonly Dictionary<NalPath, int> _vain = [];

    /// <summary>What is known now, one entry for a CAP and a pack.</summary>
    public IReadOnlyList<(NalPath Cap, ContentHash Pack, IReadOnlyCollection<long> Offsets, string Cause)> Now()
    {
        lock (_gate)
        {
            foreach (var (key, known) in _packs.ToList())
            {
                if (time.GetElapsedTime(known.Since) > Believed)
                    _packs.Remove(key);
            }
            foreach (var cap in _vain.Keys.Where(cap => !_packs.Keys.Any(key => key.Cap.Equals(cap))).ToList())
                _vain.Remove(cap);
            return [.. _packs.Select(known => (known.Key.Cap, known.Key.Pack, (IReadOnlyCollection<long>)[.. known.Value.Offsets], known.Value.Cause))];
        }
    }

    /// <summary>Whether all that the CAP gave lately was wrong.</summary>
    public bool IsVain(NalPath cap)
    {
        lock (_gate)
            return _vain.GetValueOrDefault(cap) >= MostInVain;
    }

    /// <param name="cause">For a person; of the pack's first.</param>
    public void Add(NalPath cap, NeededChunk chunk, string cause)
    {
        lock (_gate)
        {
            if (!_packs.TryGetValue((cap, chunk.Pack), out var known))
            {
                if (_packs.Sum(pack => pack.Value.Offsets.Count) >= Most)
                    _packs.Remove(_packs.MinBy(pack => pack.Value.Since).Key);
                _packs.Add((cap, chunk.Pack), known = ([], cause, time.GetTimestamp()));
            }
            known.Offsets.Add(chunk.Offset);
        }
    }

    /// <summary>Whether a pack that is short, or open by somebody, may be one that is being written: it is not for longer than <see cref="Written"/> as it was.</summary>
    /// <param name="ends">How far it goes; null where that is not known.</param>
    public bool MayGrow(NalPath cap, ContentHash pack, long? ends)
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            // What was seen long ago was another time that it was written.
            var since = _growing.Remove((cap, pack), out var known) && known.Ends == ends && time.GetElapsedTime(known.Seen, now) <= Believed ? known.Since : now;
            if (_growing.Count >= Most)
                _growing.Remove(_growing.MinBy(pack => pack.Value.Seen).Key);
            _growing.Add((cap, pack), (ends, since, now));
            return time.GetElapsedTime(since, now) <= Written;
        }
    }

    /// <returns>The cause that was kept; null when nothing was known.</returns>
    public string? Forget(NalPath cap, ContentHash pack)
    {
        lock (_gate)
            return _packs.Remove((cap, pack), out var known) ? known.Cause : null;
    }

    /// <summary>A CAP was read.</summary>
    /// <param name="brought">Something came that is of use.</param>
    /// <param name="wrong">Chunks that were wrong and not known as such.</param>
    public void Passed(NalPath cap, bool brought, int wrong)
    {
        lock (_gate)
        {
            if (brought)
                _vain.Remove(cap);
            else if (wrong > 0)
                _vain[cap] = _vain.GetValueOrDefault(cap) + wrong;
        }
    }
}
