using System.Globalization;
using System.Text;

namespace Capstan.Site.Collections;

/// <summary>Turns a version into a text that sorts, byte by byte, as the package system itself compares. Pure.</summary>
/// <remarks>
/// dpkg: Debian Policy 5.6.12, epoch, upstream and revision, <c>~</c> before the end of a part. rpm: epoch, version and release, each as <c>rpmvercmp</c>; an absent release is lower than any.
/// Equal versions have equal keys (<c>1.0</c> and <c>1.00</c>).
/// </remarks>
internal static class VersionKey
{
    /// <param name="source">As <c>InstalledPackage.Source</c>; any but <c>rpm</c> is compared as dpkg does.</param>
    public static string Of(string source, string version)
    {
        var key = new StringBuilder();
        var rest = version.Trim();
        var colon = rest.IndexOf(':', StringComparison.Ordinal);
        var hasEpoch = colon > 0 && rest.AsSpan(0, colon).IndexOfAnyExceptInRange('0', '9') < 0;
        Number(key, hasEpoch ? rest[..colon] : "0");
        if (hasEpoch)
            rest = rest[(colon + 1)..];
        var hyphen = rest.LastIndexOf('-');
        var (upstream, revision) = hyphen < 0 ? (rest, "") : (rest[..hyphen], rest[(hyphen + 1)..]);
        if (source == "rpm")
        {
            Rpm(key, upstream);
            Rpm(key, revision);
        }
        else
        {
            Dpkg(key, upstream);
            Dpkg(key, revision);
        }
        return key.ToString();
    }

    /// <summary>Pairs of what is no digit and a number, until nothing is left: <c>~</c> is lower than the end of such a part, letters are above it, everything else above letters.</summary>
    private static void Dpkg(StringBuilder key, string part)
    {
        var at = 0;
        do
        {
            for (; at < part.Length && !char.IsAsciiDigit(part[at]); at++)
            {
                key.Append(part[at] == '~' ? '1' : char.IsAsciiLetter(part[at]) ? '3' : '4');
                if (part[at] != '~')
                    key.Append(part[at]);
            }
            key.Append('2');
            at = Digits(key, part, at);
        }
        while (at < part.Length);
        key.Append('2');
    }

    /// <summary>Runs of letters or digits; what is between them only separates. <c>~</c> is lower than the end, <c>^</c> just above it, then letters, then numbers.</summary>
    private static void Rpm(StringBuilder key, string part)
    {
        for (var at = 0; at < part.Length;)
        {
            if (part[at] is '~' or '^')
                key.Append(part[at++] == '~' ? '1' : '3');
            else if (char.IsAsciiDigit(part[at]))
            {
                key.Append('5');
                at = Digits(key, part, at);
            }
            else if (char.IsAsciiLetter(part[at]))
            {
                key.Append('4');
                for (; at < part.Length && char.IsAsciiLetter(part[at]); at++)
                    key.Append(part[at]);
                key.Append('!');
            }
            else
                at++;
        }
        key.Append('2');
    }

    private static int Digits(StringBuilder key, string part, int at)
    {
        var from = at;
        while (at < part.Length && char.IsAsciiDigit(part[at]))
            at++;
        Number(key, part[from..at]);
        return at;
    }

    /// <summary>Its length first, so that 9 sorts before 10.</summary>
    private static void Number(StringBuilder key, string digits)
    {
        var number = digits.TrimStart('0');
        key.Append(number.Length.ToString("D4", CultureInfo.InvariantCulture)).Append(number);
    }
}
