using System.Globalization;
using Capstan.Nal.Paths;
using Capstan.Protocol.Content;

namespace Capstan.Client.Content;

/// <summary>What went wrong at which CAP in one round: a chunk, a pack, or all of it. What a CAP could not give is asked of the others, and nothing else is given up. Thread-safe.</summary>
internal sealed class SourceFaults
{
    /// <summary>Wrong chunks after which a pack is given up, and packs, and chunks of several packs, after which the CAP is.</summary>
    public const int MostOfPack = 16, MostPacks = 3, MostOfCap = 64;

    /// <summary>Chunks of one CAP that are asked for in a round to see whether what was wrong before was mended, and are wrong again.</summary>
    public const int MostProbes = 4;

    /// <summary>Packs in turn that a CAP does not give, with nothing right among them, after which it is asked for the rest only when nobody else has it.</summary>
    public const int MostLacking = 16;

    /// <summary>Causes that are kept, and those that are shown.</summary>
    private const int MostCauses = 20, MostShown = 4;

    private readonly Lock _gate = new();
    private readonly WrongChunks? _known;
    private readonly HashSet<(NalPath Cap, ContentHash Pack)> _packs = [];
    private readonly HashSet<(NalPath Cap, ContentHash Pack, long Offset)> _chunks = [];
    /// <summary>Wrong chunks of a pack, those of rounds before included; and those of this one.</summary>
    private readonly Dictionary<(NalPath Cap, ContentHash Pack), int> _wrong = [], _fresh = [];
    private readonly HashSet<NalPath> _lost = [];
    /// <summary>CAPs that gave much, all of it wrong: nothing but a probe is asked of them.</summary>
    private readonly HashSet<NalPath> _resting = [];
    private readonly Dictionary<(NalPath Cap, ContentHash Pack, long Offset), NeededChunk> _probes = [];
    private readonly HashSet<(NalPath Cap, ContentHash Pack)> _probed = [];
    private readonly Dictionary<NalPath, int> _vainProbes = [];
    private readonly List<string> _causes = [], _refusals = [];
    private readonly HashSet<NalPath> _blamed = [];
    /// <summary>CAPs that lack much, and those of them that were asked for the rest all the same.</summary>
    private readonly HashSet<NalPath> _poor = [], _exhausted = [];
    /// <summary>Packs that each CAP did not give in this round, and those since it gave something.</summary>
    private readonly Dictionary<NalPath, int> _lacking = [], _lackingInTurn = [];
    /// <summary>What is told of the packs that a CAP does not give for one reason.</summary>
    private readonly Dictionary<(NalPath Cap, string Reason), (ContentHash First, int Packs, string Text)> _reasons = [];
    private bool _isContentWrong, _isUnfinished;
    private int _freshOfPass;

    /// <param name="known">What was wrong in the rounds before, which takes what is wrong in this one; null for a round without others.</param>
    public SourceFaults(WrongChunks? known = null)
    {
        _known = known;
        foreach (var (cap, pack, offsets, cause) in known?.Now() ?? [])
        {
            foreach (var offset in offsets)
                _chunks.Add((cap, pack, offset));
            _wrong[(cap, pack)] = offsets.Count;
            if (offsets.Count >= MostOfPack)
                _packs.Add((cap, pack));
            if (known!.IsVain(cap))
                _resting.Add(cap);
            Add(_causes, cause);
        }
    }

    /// <summary>CAPs that gave something wrong in this round, or lacked it, or were lost.</summary>
    public IReadOnlyList<NalPath> Blamed { get { lock (_gate) return [.. _blamed]; } }

    /// <summary>Whether a CAP answered in this round, and did not have what it should: only then the site can mend it.</summary>
    public bool IsContentWrong { get { lock (_gate) return _isContentWrong; } }

    /// <summary>Whether a CAP has a pack not yet that it is getting.</summary>
    public bool IsUnfinished { get { lock (_gate) return _isUnfinished; } }

    /// <summary>How many packs each CAP did not give in this round.</summary>
    public IReadOnlyList<(NalPath Cap, int Packs)> Lacking { get { lock (_gate) return [.. _lacking.Select(lacking => (lacking.Key, lacking.Value))]; } }

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

    /// <summary>A CAP does not give a pack.</summary>
    /// <param name="reason">The same for all that fail alike: they are told together.</param>
    /// <returns>True for the first for this reason, of few reasons: it is worth a line.</returns>
    public bool AddPack(NalPath cap, ContentHash pack, string reason)
    {
        lock (_gate)
        {
            if (!Leave(cap, pack))
                return false;
            _isContentWrong = true;
            _blamed.Add(cap);
            _lacking[cap] = _lacking.GetValueOrDefault(cap) + 1;
            if ((_lackingInTurn[cap] = _lackingInTurn.GetValueOrDefault(cap) + 1) >= MostLacking && !_exhausted.Contains(cap))
                _poor.Add(cap);
            if (!_reasons.TryGetValue((cap, reason), out var told))
            {
                var text = $"{cap}: pack {pack}: {reason}";
                _reasons.Add((cap, reason), (pack, 1, text));
                Add(_causes, text);
                return _reasons.Count(known => known.Key.Cap.Equals(cap)) <= MostShown;
            }
            var more = string.Create(CultureInfo.InvariantCulture, $"{cap}: pack {told.First} and {told.Packs} more: {reason}");
            if (_causes.IndexOf(told.Text) is >= 0 and var at)
                _causes[at] = more;
            _reasons[(cap, reason)] = (told.First, told.Packs + 1, more);
            return false;
        }
    }

    /// <summary>A pack is shorter than it should be, or somebody has it open: the site may be writing it, and nothing is wrong then.</summary>
    /// <param name="ends">How far it goes; null where that is not known.</param>
    /// <param name="isNew">That was not known in this round.</param>
    /// <returns>False where it has been like this for too long, or nobody remembers: it is to be added as what it is.</returns>
    public bool AddUnfinished(NalPath cap, ContentHash pack, long? ends, string cause, out bool isNew)
    {
        lock (_gate)
        {
            isNew = false;
            if (_packs.Contains((cap, pack)) && !_probes.Keys.Any(probe => probe.Cap.Equals(cap) && probe.Pack == pack))
                return true;
            if (_known?.MayGrow(cap, pack, ends) != true)
                return false;
            isNew = Leave(cap, pack);
            _isUnfinished = true;
            Add(_refusals, $"{cap}: pack {pack}: {cause}");
            return true;
        }
    }

    /// <summary>Something right came from a CAP.</summary>
    public void Gave(NalPath cap)
    {
        lock (_gate)
            _lackingInTurn.Remove(cap);
    }

    /// <summary>Nothing more of a pack is asked for at a CAP in this round.</summary>
    /// <returns>False when that was so before.</returns>
    private bool Leave(NalPath cap, ContentHash pack)
    {
        var probes = _probes.Keys.Where(probe => probe.Cap.Equals(cap) && probe.Pack == pack).ToList();
        foreach (var probe in probes)
            _probes.Remove(probe);
        if (probes.Count > 0)
        {
            _vainProbes[cap] = _vainProbes.GetValueOrDefault(cap) + 1;
            // Something else is there than before: what is wrong in it is not known.
            _known?.Forget(cap, pack);
        }
        return _packs.Add((cap, pack)) || probes.Count > 0;
    }

    /// <summary>A chunk is not what was published. A CAP that lies is not read to its end for that: beyond some wrong chunks the pack is given up, and beyond some packs the CAP.</summary>
    public Wrong AddChunk(NalPath cap, NeededChunk chunk, string cause)
    {
        lock (_gate)
        {
            var isProbe = _probes.Remove((cap, chunk.Pack, chunk.Offset));
            if (isProbe)
                _vainProbes[cap] = _vainProbes.GetValueOrDefault(cap) + 1;
            else if (_lost.Contains(cap) || _packs.Contains((cap, chunk.Pack)))
                return Wrong.Known;
            var isNew = _chunks.Add((cap, chunk.Pack, chunk.Offset));
            if (!isNew && !isProbe)
                return Wrong.Known;
            _isContentWrong = true;
            Blame(cap, cause);
            if (!isNew)
                return Wrong.First;
            _known?.Add(cap, chunk, cause);
            _freshOfPass++;
            var wrong = _wrong[(cap, chunk.Pack)] = _wrong.GetValueOrDefault((cap, chunk.Pack)) + 1;
            _fresh[(cap, chunk.Pack)] = _fresh.GetValueOrDefault((cap, chunk.Pack)) + 1;
            var ofCap = _fresh.Where(entry => entry.Key.Cap.Equals(cap)).ToList();
            if (ofCap.Count(entry => _wrong[entry.Key] >= MostOfPack) >= MostPacks || ofCap.Sum(entry => entry.Value) >= MostOfCap)
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
            return !_lost.Contains(cap) && (!_poor.Contains(cap) && !_resting.Contains(cap) && !_packs.Contains((cap, chunk.Pack)) && !_chunks.Contains((cap, chunk.Pack, chunk.Offset))
                || _probes.Count > 0 && _probes.ContainsKey((cap, chunk.Pack, chunk.Offset)));
    }

    /// <summary>When nobody has what is lacking: lets some chunks be asked for that were wrong in rounds before. One that is right says that its pack was mended.</summary>
    /// <param name="caps">That may be read now.</param>
    /// <param name="pending">What is lacking.</param>
    /// <returns>False when there is nothing to ask for in this way.</returns>
    public bool Probe(IEnumerable<NalPath> caps, IEnumerable<NeededChunk> pending)
    {
        lock (_gate)
        {
            var able = caps.Where(cap => !_lost.Contains(cap)).ToList();
            // First the rest of those that lack much: what they have is theirs to give.
            if (able.Where(_poor.Remove).ToList() is { Count: > 0 } poor)
            {
                _exhausted.UnionWith(poor);
                return true;
            }
            // What was wrong in this round alone is not asked for again.
            var before = _chunks.Count > 0 ? able : [];
            if (before.Count == 0)
                return false;
            var packs = pending.GroupBy(chunk => chunk.Pack).ToList();
            var opened = false;
            foreach (var cap in before)
            {
                var room = MostProbes - _vainProbes.GetValueOrDefault(cap);
                foreach (var pack in packs.Where(pack => _resting.Contains(cap) || _wrong.GetValueOrDefault((cap, pack.Key)) > _fresh.GetValueOrDefault((cap, pack.Key))))
                {
                    if (room <= 0)
                        break;
                    if (!_probed.Add((cap, pack.Key)))
                        continue;
                    var chunk = pack.FirstOrDefault(chunk => _chunks.Contains((cap, pack.Key, chunk.Offset))) ?? pack.First();
                    _probes[(cap, pack.Key, chunk.Offset)] = chunk;
                    opened = true;
                    room--;
                }
            }
            return opened;
        }
    }

    /// <summary>A CAP was read.</summary>
    /// <param name="pending">What is lacking still.</param>
    /// <param name="brought">Something came that is of use.</param>
    public void Passed(NalPath cap, IEnumerable<NeededChunk> pending, bool brought)
    {
        lock (_gate)
        {
            _known?.Passed(cap, brought, _freshOfPass);
            _freshOfPass = 0;
            if (brought)
                _resting.Remove(cap);
            if (_probes.Count == 0)
                return;
            var lacking = pending.ToHashSet();
            foreach (var (probe, _) in _probes.Where(probe => !lacking.Contains(probe.Value)).ToList())
            {
                _probes.Remove(probe);
                // From another one it says nothing about this.
                if (probe.Cap.Equals(cap))
                    Forgive(cap, probe.Pack);
            }
        }
    }

    /// <summary>For a person: the first causes, in the order in which they were met; null when nothing went wrong.</summary>
    public string? Text()
    {
        lock (_gate)
            return Text(_causes);
    }

    /// <summary>As <see cref="Text()"/>, of the CAPs that were full or away, or are getting it.</summary>
    public string? Refusals()
    {
        lock (_gate)
            return Text(_refusals);
    }

    /// <summary>The pack was replaced by what it should be.</summary>
    private void Forgive(NalPath cap, ContentHash pack)
    {
        if (_known?.Forget(cap, pack) is { } cause)
            _causes.Remove(cause);
        _packs.Remove((cap, pack));
        _wrong.Remove((cap, pack));
        _fresh.Remove((cap, pack));
        _chunks.RemoveWhere(chunk => chunk.Cap.Equals(cap) && chunk.Pack == pack);
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
