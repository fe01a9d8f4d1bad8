using System.Globalization;

namespace Capstan.Protocol.V1;

/// <summary>Hours of each day by the clock of the machine that obeys them: <c>22:00-06:00</c>, which goes over midnight, or <c>any</c>. Pure; thread-safe.</summary>
/// <param name="From">Included.</param>
/// <param name="To">Not included. Equal to <paramref name="From"/>: the whole day.</param>
public sealed record DailyHours(TimeOnly From, TimeOnly To)
{
    private const string Whole = "any", Form = "HH:mm";

    public static DailyHours Any { get; } = new(TimeOnly.MinValue, TimeOnly.MinValue);

    public bool Holds(TimeOnly time) => From == To || (From < To ? time >= From && time < To : time >= From || time < To);

    /// <summary>How long until they hold; zero while they do.</summary>
    public TimeSpan Until(TimeOnly time) => Holds(time) ? TimeSpan.Zero : From - time;

    /// <summary>Reads the one form: two times of two digits each, from 00:00 to 23:59, that differ; or <c>any</c>.</summary>
    public static bool TryParse(string text, out DailyHours hours)
    {
        hours = Any;
        if (text == Whole)
            return true;
        if (text.Split('-') is not [var from, var to] || !TryTime(from, out var first) || !TryTime(to, out var last) || first == last)
            return false;
        hours = new DailyHours(first, last);
        return true;
    }

    public override string ToString() => From == To ? Whole : $"{Text(From)}-{Text(To)}";

    private static bool TryTime(string text, out TimeOnly time) => TimeOnly.TryParseExact(text, Form, CultureInfo.InvariantCulture, DateTimeStyles.None, out time);

    private static string Text(TimeOnly time) => time.ToString(Form, CultureInfo.InvariantCulture);
}
