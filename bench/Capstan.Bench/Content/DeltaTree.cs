using System.Globalization;

namespace Capstan.Bench.Content;

/// <summary>The tree that the peers were measured on: 133 MB, one file of 64 MiB and 2,000 of 4 to 60 KB, random bytes; and its second version, which differs little.</summary>
internal static class DeltaTree
{
    private const int BigBytes = 64 << 20;
    private const int Files = 2_000;

    public const string Big = "big.bin";

    public static void MakeFirst(string directory)
    {
        var random = new Random(42);
        var big = new byte[BigBytes];
        random.NextBytes(big);
        File.WriteAllBytes(Path.Combine(directory, Big), big);
        for (var i = 0; i < Files; i++)
        {
            if (i % 100 == 0)
                Directory.CreateDirectory(Path.GetDirectoryName(NameOf(directory, i))!);
            var content = new byte[random.Next(4_000, 60_000)];
            random.NextBytes(content);
            File.WriteAllBytes(NameOf(directory, i), content);
        }
    }

    /// <summary>20 edits of 100 bytes and an insertion of 1 KB near the beginning of the big file; 20 small files appended to, 5 removed, 5 added.</summary>
    public static void MakeSecond(string directory)
    {
        var random = new Random(43);
        var big = File.ReadAllBytes(Path.Combine(directory, Big));
        for (var i = 0; i < 20; i++)
            random.NextBytes(big.AsSpan(BigBytes / 20 * i + random.Next(1_000_000), 100));
        var inserted = new byte[1_000];
        random.NextBytes(inserted);
        File.WriteAllBytes(Path.Combine(directory, Big), [.. big[..100_000], .. inserted, .. big[100_000..]]);
        for (var i = 0; i < 20; i++)
        {
            var more = new byte[500];
            random.NextBytes(more);
            File.AppendAllBytes(NameOf(directory, i * 97), more);
        }
        for (var i = 0; i < 5; i++)
        {
            File.Delete(NameOf(directory, i * 311 + 1));
            var added = new byte[random.Next(4_000, 60_000)];
            random.NextBytes(added);
            File.WriteAllBytes(NameOf(directory, Files + i), added);
        }
    }

    private static string NameOf(string directory, int number) =>
        Path.Combine(directory, (number % Files / 100).ToString("00", CultureInfo.InvariantCulture), number.ToString("0000", CultureInfo.InvariantCulture) + ".dat");
}
