using System.Diagnostics.Metrics;
using Capstan.Site.Status;

namespace Capstan.Site.Telemetry;

/// <summary>Figures as measurements, by family. Not thread-safe: one for each reading.</summary>
internal sealed class FigureList : IMetricsWriter
{
    private readonly Dictionary<string, Figure> _families = new(StringComparer.Ordinal);
    private Figure? _family;

    public IReadOnlyDictionary<string, Figure> Families => _families;

    public IMetricsWriter Family(string name, string type, string help)
    {
        _family = _families[name] = new Figure(type, help, []);
        return this;
    }

    public IMetricsWriter Sample(double? value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        if (value is not { } known)
            return this;
        var tags = new KeyValuePair<string, object?>[labels.Length];
        for (var i = 0; i < labels.Length; i++)
            tags[i] = new(labels[i].Name, labels[i].Value);
        _family!.Samples.Add(new Measurement<double>(known, tags));
        return this;
    }
}

/// <param name="Type"><c>gauge</c> or <c>counter</c>.</param>
internal sealed record Figure(string Type, string Help, List<Measurement<double>> Samples);
