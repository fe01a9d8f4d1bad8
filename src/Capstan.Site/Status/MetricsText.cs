using System.Globalization;
using System.Text;

namespace Capstan.Site.Status;

/// <summary>Takes figures: families, and the samples of each.</summary>
internal interface IMetricsWriter
{
    /// <summary>Begins a family; its samples follow.</summary>
    /// <param name="name">Ends with its unit: <c>_seconds</c>, <c>_bytes</c>; a counter with <c>_total</c>.</param>
    /// <param name="type"><c>gauge</c> or <c>counter</c>.</param>
    IMetricsWriter Family(string name, string type, string help);

    /// <summary>One sample of the family that was begun last; none for null, which is "not known".</summary>
    IMetricsWriter Sample(double? value, params ReadOnlySpan<(string Name, string Value)> labels);
}

/// <summary>Writes figures in the text form of Prometheus 0.0.4. Not thread-safe: one for each answer.</summary>
internal sealed class MetricsText : IMetricsWriter
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly StringBuilder _text = new();
    private string? _family;

    public IMetricsWriter Family(string name, string type, string help)
    {
        _family = name;
        _text.Append("# HELP ").Append(name).Append(' ').Append(help.Replace("\\", "\\\\", StringComparison.Ordinal).ReplaceLineEndings("\\n")).Append('\n');
        _text.Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n');
        return this;
    }

    public IMetricsWriter Sample(double? value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        if (value is not { } known)
            return this;
        _text.Append(_family);
        for (var i = 0; i < labels.Length; i++)
            _text.Append(i == 0 ? '{' : ',').Append(labels[i].Name).Append("=\"").Append(Escape(labels[i].Value)).Append('"');
        if (labels.Length > 0)
            _text.Append('}');
        _text.Append(' ').Append(known.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
        return this;
    }

    public override string ToString() => _text.ToString();

    private static string Escape(string value) => value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).ReplaceLineEndings("\\n");
}
