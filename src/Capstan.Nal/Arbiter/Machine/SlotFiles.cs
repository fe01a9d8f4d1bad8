using System.Globalization;
using System.Text;

namespace Capstan.Nal.Arbiter.Machine;

/// <summary>The names in the slots directory of one server. Slot files are never deleted; a ticket is, by its owner or by whoever stood behind it.</summary>
/// <remarks><code>
/// slots/fs1~445/slot-0        locked by the process that has the slot
///               waiting       locked in common by all who wait
///               door          locked for the moment of a question
///               line          the last ticket's number; locked while one is drawn
///               ticket-…17    locked by the process that drew it, until its turn is over
/// </code></remarks>
internal sealed class SlotFiles(string slots, string server)
{
    private const string TicketPrefix = "ticket-";

    public string Directory { get; } = Path.Combine(slots, Name(server));

    public string Waiting => Path.Combine(Directory, "waiting");

    /// <summary>Locked by whoever asks whether somebody waits: two who ask do not see each other.</summary>
    public string Door => Path.Combine(Directory, "door");

    public string Line => Path.Combine(Directory, "line");

    public string Slot(int number) => Path.Combine(Directory, string.Create(CultureInfo.InvariantCulture, $"slot-{number}"));

    public string Ticket(long number) => Path.Combine(Directory, string.Create(CultureInfo.InvariantCulture, $"{TicketPrefix}{number:D19}"));

    /// <summary>The highest ticket below <paramref name="limit"/>; null when there is none.</summary>
    public long? HighestTicketBelow(long limit)
    {
        long? highest = null;
        foreach (var path in System.IO.Directory.EnumerateFiles(Directory, TicketPrefix + "*"))
        {
            if (long.TryParse(Path.GetFileName(path.AsSpan())[TicketPrefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                && number < limit && (highest is null || number > highest))
            {
                highest = number;
            }
        }
        return highest;
    }

    /// <summary>A name that is a file name everywhere, and differs where the text does: letters, digits, dot and hyphen stand for themselves.</summary>
    public static string Name(string text)
    {
        var name = new StringBuilder(text.Length);
        foreach (var part in Encoding.UTF8.GetBytes(text))
        {
            if (char.IsAsciiLetterOrDigit((char)part) || part is (byte)'-' or (byte)'_' or (byte)' ' || (part == '.' && name.Length > 0))
                name.Append((char)part);
            else
                name.Append(CultureInfo.InvariantCulture, $"%{part:X2}");
        }
        return name.ToString();
    }

    /// <summary>The text that <see cref="Name"/> made a name of.</summary>
    public static string Text(string name) => Uri.UnescapeDataString(name);
}
