using Capstan.Site.Console;

namespace Capstan.Site.Distribution.Content;

/// <summary>What is wrong with an archive, up to a readable number of places at once.</summary>
internal sealed class ArchiveProblems
{
    private const int MaxShown = 20;

    private readonly List<string> _shown = [];
    private int _count;

    public bool Any => _count > 0;

    public void Add(string path, string what)
    {
        if (_count++ < MaxShown)
            _shown.Add($"{VisibleText.Of(path, 300)}: {what}");
    }

    /// <exception cref="SiteException"><c>bad_package</c>, when there is any.</exception>
    public void Throw()
    {
        if (Any)
            throw new SiteException($"Nothing was published: {string.Join("; ", _shown)}{(_count > MaxShown ? $"; and {_count - MaxShown} more" : "")}.", "bad_package");
    }
}
