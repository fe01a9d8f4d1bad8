using System.Security.Cryptography;
using Capstan.Protocol;

namespace Capstan.Site.Load;

/// <summary>Copies of refused files on the site's own disk: at most 1,000 files and 256 MiB, the oldest go first. One user at a time.</summary>
internal sealed class QuarantineFolder(SiteContext site)
{
    public const int MaxFiles = 1_000;
    public const long MaxBytes = 256L << 20;

    private Queue<(string Name, long Bytes)>? _kept;
    private long _bytes;
    private long _last;

    /// <summary>Stores a copy, durable on return, and makes room.</summary>
    /// <returns>The name of the copy, and the names of those that were dropped for it.</returns>
    public (string KeptAs, IReadOnlyList<string> Dropped) Keep(ReadOnlySpan<byte> content)
    {
        var kept = _kept ??= Load();
        // Names sort by time; the clock may stand still or go back, the names do not.
        _last = Math.Max(_last + 1, site.NowMilliseconds);
        var name = $"{_last:d15}-{Base32.Encode(SHA256.HashData(content).AsSpan(0, 10))}.bin";
        SiteDirectory.WriteOwned(Path.Combine(site.Directory.Quarantine, name), content);
        kept.Enqueue((name, content.Length));
        _bytes += content.Length;

        var dropped = new List<string>();
        while (kept.Count > MaxFiles || _bytes > MaxBytes)
        {
            var (oldest, bytes) = kept.Dequeue();
            File.Delete(Path.Combine(site.Directory.Quarantine, oldest));
            _bytes -= bytes;
            dropped.Add(oldest);
        }
        return (name, dropped);
    }

    private Queue<(string, long)> Load()
    {
        SiteDirectory.CreateOwned(site.Directory.Quarantine);
        var files = new DirectoryInfo(site.Directory.Quarantine).EnumerateFiles("*.bin").OrderBy(file => file.Name, StringComparer.Ordinal).ToList();
        _bytes = files.Sum(file => file.Length);
        if (files is [.., var newest] && long.TryParse(newest.Name.Split('-')[0], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var last))
            _last = last;
        return new Queue<(string, long)>(files.Select(file => (file.Name, file.Length)));
    }
}
