using System.Collections.Immutable;
using Capstan.Nal.Paths;

namespace Capstan.Nal.Exports;

/// <summary>Named lists of equal paths. Names ignore letter case. Thread-safe: readers see a list whole, before or after a change.</summary>
internal sealed class ExportTable
{
    private ImmutableDictionary<string, ImmutableArray<NalPath>> _lists = ImmutableDictionary.Create<string, ImmutableArray<NalPath>>(StringComparer.OrdinalIgnoreCase);

    /// <summary>Replaces one list.</summary>
    /// <exception cref="ArgumentException">The name is none, or an entry is an abstract export itself.</exception>
    public void Set(string name, IReadOnlyList<NalPath> paths)
    {
        var export = NalPath.Export(name);
        if (paths.FirstOrDefault(path => path.IsExport) is { } nested)
            throw new ArgumentException($"{export} cannot hold {nested}: exports do not nest", nameof(paths));
        ImmutableInterlocked.AddOrUpdate(ref _lists, name, paths.ToImmutableArray(), (_, _) => paths.ToImmutableArray());
    }

    /// <summary>The entries that <paramref name="path"/> stands for, each with the rest of the path behind it; the path itself when it is no export.</summary>
    /// <exception cref="NalException"><see cref="NalError.Resolve"/>: the export is unknown or has no entries.</exception>
    public IReadOnlyList<NalPath> Resolve(NalPath path)
    {
        if (!path.IsExport)
            return [path];
        if (!_lists.TryGetValue(path.Root, out var entries))
        {
            throw new NalException(NalError.Resolve, $"abstract export {path} not accessible: no candidates: the list '{path.Root}' is not known here"
                + (_lists.IsEmpty ? "; no list is" : $"; known: {string.Join(", ", _lists.Keys.Order(StringComparer.Ordinal))}"), path.ToString());
        }
        return entries.IsEmpty
            ? throw new NalException(NalError.Resolve, $"abstract export {path} not accessible: no candidates: the list is empty", path.ToString(), isTransient: true)
            : entries.Select(entry => entry.Append(path.Segments)).ToArray();
    }
}
