using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Capstan.Fleet;

/// <summary>How long the connection of a cycle lasts at least: from <paramref name="Least"/> to <paramref name="Most"/>, evenly drawn.</summary>
internal sealed record HoldRange(TimeSpan Least, TimeSpan Most)
{
    /// <summary>The longest that may be asked for: a client's lease must not be longer.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    /// <summary>Nothing is held: a connection lasts as long as its work.</summary>
    public static HoldRange None { get; } = new(TimeSpan.Zero, TimeSpan.Zero);

    public TimeSpan Mean => (Least + Most) / 2;

    /// <param name="draw">Uniform, from 0 up to 1.</param>
    public TimeSpan At(double draw) => Least + ((Most - Least) * draw);

    /// <summary>Reads <c>6</c> or <c>2..10</c>: seconds, with a decimal point or without.</summary>
    public static bool TryParse(string text, out HoldRange range, [NotNullWhen(false)] out string? fault)
    {
        range = None;
        fault = null;
        var cut = text.IndexOf("..", StringComparison.Ordinal);
        if (Seconds(cut < 0 ? text : text[..cut]) is not { } least || Seconds(cut < 0 ? text : text[(cut + 2)..]) is not { } most)
            fault = $"'{text}' is no number of seconds from 0 to {Longest.TotalSeconds:F0}, such as 6, and no range of them, such as 2..10";
        else if (most < least)
            fault = $"'{text}' ends before it begins";
        else
            range = new HoldRange(least, most);
        return fault is null;
    }

    public override string ToString() => Least == Most ? Text(Least) : $"{Text(Least)}..{Text(Most)}";

    private static TimeSpan? Seconds(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds <= Longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;

    private static string Text(TimeSpan time) => time.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);
}
