using Capstan.Protocol.Content;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Distribution.Content;

/// <summary>Which packs that versions name the site's own disk lacks: after a restore all of them. They come back from the CAPs, each with the next work there. Thread-safe.</summary>
internal sealed class HomePacks(PackFolder folder, ILogger<HomePacks> logger)
{
    private readonly Lock _gate = new();
    private Dictionary<ContentHash, long> _lacking = [];
    private bool _hasLooked;

    /// <summary>Those that lack, with their lengths.</summary>
    public IReadOnlyList<(ContentHash Pack, long LengthBytes)> Lacking
    {
        get
        {
            lock (_gate)
                return _lacking.Count == 0 ? [] : [.. _lacking.Select(pack => (pack.Key, pack.Value))];
        }
    }

    /// <summary>What keeps them from coming, other than that no CAP has them; null for nothing.</summary>
    public string? Problem { get; set; }

    /// <summary>How many, and their bytes.</summary>
    public (int Packs, long Bytes) Amount
    {
        get
        {
            lock (_gate)
                return (_lacking.Count, _lacking.Values.Sum());
        }
    }

    /// <summary>Whether one lacks that lies in this list and is not known to be bad there.</summary>
    public bool IsAny(Func<ContentHash, bool> found)
    {
        lock (_gate)
            return _lacking.Count > 0 && _lacking.Keys.Any(found);
    }

    /// <summary>Looks for all of them, by name and length.</summary>
    public void Look(IReadOnlyList<PackRow> wanted)
    {
        var lacking = wanted.Where(pack => folder.Length(pack.Name) != pack.LengthBytes).ToDictionary(pack => pack.Name, pack => pack.LengthBytes);
        lock (_gate)
        {
            (_lacking, _hasLooked) = (lacking, true);
            if (lacking.Count > 0)
                ContentLog.ContentIncomplete(logger, lacking.Count, wanted.Count, lacking.Values.Sum());
        }
    }

    /// <summary>Looks, unless this process has.</summary>
    public void LookOnce(IReadOnlyList<PackRow> wanted)
    {
        lock (_gate)
        {
            if (_hasLooked)
                return;
            _hasLooked = true;
        }
        Look(wanted);
    }

    /// <summary>One was found missing or damaged: nobody counts on it any more.</summary>
    public void Lost(PackRow pack, PackCondition condition)
    {
        if (condition.State == PackState.Damaged)
            folder.SetAside(pack.Name);
        lock (_gate)
            _lacking[pack.Name] = pack.LengthBytes;
    }

    /// <summary>One is there again.</summary>
    public void Came(ContentHash pack)
    {
        folder.ForgetAside(pack);
        lock (_gate)
        {
            if (_lacking.Remove(pack) && _lacking.Count == 0)
                ContentLog.ContentComplete(logger);
        }
    }

    /// <summary>Forgets those that nobody needs any more, or that were stored anew.</summary>
    public void Settle(Func<ContentHash, bool> isWanted)
    {
        lock (_gate)
        {
            foreach (var pack in _lacking.Where(pack => !isWanted(pack.Key) || folder.Length(pack.Key) == pack.Value).Select(pack => pack.Key).ToList())
            {
                folder.ForgetAside(pack);
                _lacking.Remove(pack);
            }
        }
    }
}
