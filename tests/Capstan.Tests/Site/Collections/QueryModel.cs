using System.Net;
using System.Text;
using Capstan.Protocol.V1;
using Capstan.Site.Collections;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site.Collections;

/// <summary>A device as a query sees it, with no database in between.</summary>
internal sealed record ModelDevice(string DeviceId, string Host, string? Os, string? Platform, string? Model, string? Manufacturer, long? Memory, long? Threads, long? LastSeen,
    IReadOnlyList<string> Addresses, IReadOnlyList<(string Name, string Version, string Source)>? Packages, bool AllRead);

/// <summary>What a query means, in the plainest words: three-valued, device by device. Shares nothing with the compiler.</summary>
internal static class QueryModel
{
    public static bool? Evaluate(Query query, ModelDevice device, long now) => query switch
    {
        Query.And(var left, var right) => (Evaluate(left, device, now), Evaluate(right, device, now)) switch
        {
            (false, _) or (_, false) => false,
            (true, true) => true,
            _ => null,
        },
        Query.Or(var left, var right) => (Evaluate(left, device, now), Evaluate(right, device, now)) switch
        {
            (true, _) or (_, true) => true,
            (false, false) => false,
            _ => null,
        },
        Query.Not(var operand) => !Evaluate(operand, device, now),
        Query.TextTest(var attribute, var comparison, var value) => TextOf(attribute, device) is { } text ? Compare(text, comparison, value) : null,
        Query.TextIn(var attribute, var values) => TextOf(attribute, device) is { } text ? values.Items.Any(value => Compare(text, TextOperator.Equal, value)) : null,
        Query.AmountTest(var attribute, var comparison, var value) => AmountOf(attribute, device, now) is { } amount ? Holds(comparison, amount.CompareTo(value)) : null,
        Query.Told(var attribute, var isKnown) => (attribute.Type == QueryType.Text ? TextOf(attribute, device) is not null : AmountOf(attribute, device, now) is not null) == isKnown,
        Query.AddressIn(var range, _) => device.Addresses.Count == 0 ? null : device.Addresses.Any(address => range.Contains(IPAddress.Parse(address))),
        Query.Package package => device.Packages is null ? null
            : device.Packages.Any(installed => Compare(installed.Name, package.IsPattern ? TextOperator.Like : TextOperator.Equal, package.Name)
                && (package.Version is not { } version || Holds(version.Operator, installed.Source == "rpm" ? VersionOrder.Rpm(installed.Version, version.Value) : VersionOrder.Dpkg(installed.Version, version.Value)))) ? true
            : device.AllRead ? false : null,
        _ => throw new ArgumentOutOfRangeException(nameof(query)),
    };

    private static string? TextOf(QueryAttribute attribute, ModelDevice device) => attribute.Name switch
    {
        "host" => device.Host,
        "id" => device.DeviceId,
        "os" => device.Os,
        "platform" => device.Platform,
        "model" => device.Model,
        "manufacturer" => device.Manufacturer,
        _ => throw new ArgumentOutOfRangeException(nameof(attribute)),
    };

    private static long? AmountOf(QueryAttribute attribute, ModelDevice device, long now) => attribute.Name switch
    {
        "memory" => device.Memory,
        "threads" => device.Threads,
        "silent" => now - device.LastSeen,
        _ => throw new ArgumentOutOfRangeException(nameof(attribute)),
    };

    private static bool Compare(string text, TextOperator comparison, string value)
    {
        var (left, right) = (text.ToUpperInvariant(), value.ToUpperInvariant());
        return comparison switch
        {
            TextOperator.Equal => left == right,
            TextOperator.NotEqual => left != right,
            TextOperator.StartsWith => left.StartsWith(right, StringComparison.Ordinal),
            TextOperator.EndsWith => left.EndsWith(right, StringComparison.Ordinal),
            TextOperator.Contains => left.Contains(right, StringComparison.Ordinal),
            _ => Glob([.. right.EnumerateRunes()], [.. left.EnumerateRunes()]),
        };
    }

    private static bool Glob(ReadOnlySpan<Rune> pattern, ReadOnlySpan<Rune> text)
    {
        if (pattern.IsEmpty)
            return text.IsEmpty;
        if (pattern[0].Value == '*')
            return Glob(pattern[1..], text) || (!text.IsEmpty && Glob(pattern, text[1..]));
        return !text.IsEmpty && (pattern[0].Value == '?' || pattern[0] == text[0]) && Glob(pattern[1..], text[1..]);
    }

    private static bool Holds(Comparison comparison, int order) => comparison switch
    {
        Comparison.Equal => order == 0,
        Comparison.NotEqual => order != 0,
        Comparison.Less => order < 0,
        Comparison.LessOrEqual => order <= 0,
        Comparison.Greater => order > 0,
        _ => order >= 0,
    };
}

/// <summary>Random trees of every kind, over the attributes that <see cref="ModelDevice"/> has.</summary>
internal static class QueryGen
{
    /// <summary>Letters with case, marks of patterns and of SQL, and what databases disagree about.</summary>
    public static readonly string[] Texts = ["", "a", "A", "lab-1", "LAB-2", "lab%", "l_b-1", "!", "é", "É", "日本", "😀x", "'", "\"", "\\", "a'; drop table device; --", "Debian 13", "debian", "kvm", "İ"];

    private static readonly string[] s_patterns = ["*", "?", "lab-*", "*-?", "L?B*", "*a*", "%", "l_b*", "?x", "!*", "*é"];
    private static readonly string[] s_networks = ["10.1.0.0/16", "10.0.0.0/8", "192.168.0.0/16", "10.1.2.3", "2001:db8::/32", "0.0.0.0/0", "10.1.2.0-10.1.2.9"];
    private static readonly string[] s_versions = ["1.0", "1.0-1", "1.0~rc1", "1:0.1", "2.10", "2.9", "1.0a", "1.0+b1", "", "01.0"];

    private static readonly QueryAttribute[] s_texts = [.. new[] { "host", "id", "os", "platform", "model", "manufacturer" }.Select(name => QueryAttribute.Find(name)!)];
    private static readonly QueryAttribute[] s_amounts = [.. new[] { "memory", "threads", "silent" }.Select(name => QueryAttribute.Find(name)!)];

    public static Gen<Query> Query(int size) => size <= 1 ? Test : Gen.Frequency(
        (3, Test),
        (2, Query(size / 2).SelectMany(left => Query(size / 2).Select(right => (Query)new Query.And(left, right)))),
        (2, Query(size / 2).SelectMany(left => Query(size / 2).Select(right => (Query)new Query.Or(left, right)))),
        (2, Query(size - 1).Select(operand => (Query)new Query.Not(operand))));

    private static Gen<Query> Test => Gen.OneOf(
        Gen.Elements(s_texts).SelectMany(attribute => Gen.Elements(Enum.GetValues<TextOperator>()).SelectMany(comparison => Gen.Elements(comparison == TextOperator.Like ? [.. s_patterns, .. Texts] : Texts)
            .Select(value => (Query)new Query.TextTest(attribute, comparison, value)))),
        Gen.Elements(s_texts).SelectMany(attribute => Gen.Elements(Texts).NonEmptyListOf().Select(values => (Query)new Query.TextIn(attribute, new TextList([.. values.Take(4)])))),
        Gen.Elements(s_amounts).SelectMany(attribute => Gen.Elements(Enum.GetValues<Comparison>()).SelectMany(comparison => Gen.Elements(0L, 1, 2, 4, 1L << 30, 4L << 30, 5_000_000_000, 3_600_000, 86_400_000)
            .Select(value => (Query)new Query.AmountTest(attribute, comparison, value)))),
        Gen.Elements([.. s_texts, .. s_amounts]).SelectMany(attribute => Gen.Elements(true, false).Select(isKnown => (Query)new Query.Told(attribute, isKnown))),
        Gen.Elements(s_networks).Select(text => (Query)new Query.AddressIn(Boundary.TryParse(text, out var range) ? range : default, text)),
        Gen.Elements("openssl", "OPENSSL", "bash", "é").SelectMany(name => Version.Select(version => (Query)new Query.Package(name, false, version))),
        Gen.Elements("*", "open*", "b?sh").SelectMany(name => Version.Select(version => (Query)new Query.Package(name, true, version))));

    private static Gen<VersionTest?> Version => Gen.Frequency(
        (1, Gen.Constant<VersionTest?>(null)),
        (2, Gen.Elements(Enum.GetValues<Comparison>()).SelectMany(comparison => Gen.Elements(s_versions).Select(version => (VersionTest?)new VersionTest(comparison, version)))));

    public static Gen<ModelDevice> Device => Gen.Elements(Texts.Where(text => text.Length > 0).ToArray()).SelectMany(host => Maybe(Gen.Elements(Texts.Where(text => text.Length > 0).ToArray())).Four()
        .SelectMany(texts => Maybe(Gen.Elements(0L, 1, 1L << 30, 4L << 30, 8L << 30)).SelectMany(memory => Maybe(Gen.Elements(1L, 2, 4, 8)).SelectMany(threads => Maybe(Gen.Elements(0L, 3_600_000, 86_400_000, 90_000_000))
        .SelectMany(seen => Gen.Elements("10.1.2.3", "10.2.0.1", "192.168.1.7", "2001:db8::1").ListOf().SelectMany(addresses => Packages.SelectMany(packages => Gen.Elements(true, false)
        .Select(allRead => new ModelDevice("", host, texts.Item1, texts.Item2, texts.Item3, texts.Item4, memory, threads, seen, [.. addresses.Distinct()], packages, allRead)))))))));

    private static Gen<IReadOnlyList<(string, string, string)>?> Packages => Gen.Frequency(
        (1, Gen.Constant<IReadOnlyList<(string, string, string)>?>(null)),
        (4, Gen.Elements("openssl", "bash", "É", "OpenSSL").SelectMany(name => Gen.Elements(s_versions).SelectMany(version => Gen.Elements("dpkg", "rpm").Select(source => (name, version, source)))).ListOf()
            .Select(list => (IReadOnlyList<(string, string, string)>?)[.. list.Take(3).Distinct()])));

    private static Gen<string?> Maybe(Gen<string> gen) => Gen.Frequency((1, Gen.Constant<string?>(null)), (3, gen.Select(value => (string?)value)));

    private static Gen<long?> Maybe(Gen<long> gen) => Gen.Frequency((1, Gen.Constant<long?>(null)), (3, gen.Select(value => (long?)value)));
}

/// <summary>Versions compared step by step as dpkg and rpm document it; the key that sorts has to agree.</summary>
internal static class VersionOrder
{
    public static int Dpkg(string left, string right)
    {
        var (a, b) = (Split(left), Split(right));
        return a.Epoch != b.Epoch ? a.Epoch.CompareTo(b.Epoch) : Part(a.Main, b.Main) is not 0 and var main ? main : Part(a.Last, b.Last);

        static int Part(string a, string b)
        {
            for (int i = 0, j = 0; i < a.Length || j < b.Length;)
            {
                while ((i < a.Length && !char.IsAsciiDigit(a[i])) || (j < b.Length && !char.IsAsciiDigit(b[j])))
                {
                    var order = Weight(a, i).CompareTo(Weight(b, j));
                    if (order != 0)
                        return order;
                    i++;
                    j++;
                }
                var (x, y) = (Digits(a, ref i), Digits(b, ref j));
                if (x != y)
                    return x.CompareTo(y);
            }
            return 0;
        }

        static int Weight(string text, int at) => at >= text.Length || char.IsAsciiDigit(text[at]) ? 0 : text[at] == '~' ? -1 : char.IsAsciiLetter(text[at]) ? text[at] : text[at] + 256;
    }

    public static int Rpm(string left, string right)
    {
        var (a, b) = (Split(left), Split(right));
        return a.Epoch != b.Epoch ? a.Epoch.CompareTo(b.Epoch) : Part(a.Main, b.Main) is not 0 and var main ? main : Part(a.Last, b.Last);

        static int Part(string a, string b)
        {
            for (int i = 0, j = 0; ;)
            {
                while (i < a.Length && !char.IsAsciiLetterOrDigit(a[i]) && a[i] is not ('~' or '^'))
                    i++;
                while (j < b.Length && !char.IsAsciiLetterOrDigit(b[j]) && b[j] is not ('~' or '^'))
                    j++;
                char x = i < a.Length ? a[i] : '\0', y = j < b.Length ? b[j] : '\0';
                if (x == '~' || y == '~')
                {
                    if (x != y)
                        return x == '~' ? -1 : 1;
                    i++;
                    j++;
                    continue;
                }
                if (x == '\0' || y == '\0')
                    return x == y ? 0 : x == '\0' ? -1 : 1;
                if (x == '^' || y == '^')
                {
                    if (x != y)
                        return x == '^' ? -1 : 1;
                    i++;
                    j++;
                    continue;
                }
                if (char.IsAsciiDigit(x) != char.IsAsciiDigit(y))
                    return char.IsAsciiDigit(x) ? 1 : -1;
                int order;
                if (char.IsAsciiDigit(x))
                    order = Digits(a, ref i).CompareTo(Digits(b, ref j));
                else
                {
                    var (from, start) = (i, j);
                    while (i < a.Length && char.IsAsciiLetter(a[i]))
                        i++;
                    while (j < b.Length && char.IsAsciiLetter(b[j]))
                        j++;
                    order = string.CompareOrdinal(a[from..i], b[start..j]);
                }
                if (order != 0)
                    return order;
            }
        }
    }

    private static System.Numerics.BigInteger Digits(string text, ref int at)
    {
        System.Numerics.BigInteger number = 0;
        for (; at < text.Length && char.IsAsciiDigit(text[at]); at++)
            number = number * 10 + (text[at] - '0');
        return number;
    }

    private static (System.Numerics.BigInteger Epoch, string Main, string Last) Split(string version)
    {
        System.Numerics.BigInteger epoch = 0;
        if (version.Split(':') is [var before, _, ..] && before.Length > 0 && before.All(char.IsAsciiDigit))
        {
            epoch = System.Numerics.BigInteger.Parse(before, System.Globalization.CultureInfo.InvariantCulture);
            version = version[(before.Length + 1)..];
        }
        var hyphen = version.LastIndexOf('-');
        return hyphen < 0 ? (epoch, version, "") : (epoch, version[..hyphen], version[(hyphen + 1)..]);
    }
}
