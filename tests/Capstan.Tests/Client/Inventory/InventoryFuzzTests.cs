using Capstan.Testing.Fuzz;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Client.Inventory;

/// <summary>Parsers of what firmware, users and other programs write: no bytes make them throw or loop. The corpus itself runs with every other fuzz target.</summary>
public sealed class InventoryFuzzTests
{
    private static readonly (string Name, Action<byte[]> Fuzz)[] s_targets =
    [
        ("Smbios", data => SmbiosFuzz.Fuzz(data)),
        ("DpkgStatus", data => DpkgStatusFuzz.Fuzz(data)),
        ("MountInfo", data => MountInfoFuzz.Fuzz(data)),
        ("Utmp", data => UtmpFuzz.Fuzz(data)),
    ];

    [Theory]
    [InlineData("Smbios")]
    [InlineData("DpkgStatus")]
    [InlineData("MountInfo")]
    [InlineData("Utmp")]
    public void Every_prefix_and_bit_flip_of_the_corpus_is_survived(string target)
    {
        var fuzz = Array.Find(s_targets, t => t.Name == target).Fuzz;
        var files = Directory.GetFiles(Samples.Corpus(target));
        Assert.NotEmpty(files);
        foreach (var file in files)
        {
            var bytes = File.ReadAllBytes(file);
            var step = Math.Max(1, bytes.Length / 400);
            for (var i = 0; i < bytes.Length; i += step)
            {
                fuzz(bytes[..i]);
                var flipped = (byte[])bytes.Clone();
                flipped[i] ^= (byte)(1 << (i % 8));
                fuzz(flipped);
            }
        }
    }

    [Fact]
    public void Random_bytes_are_survived() =>
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes =>
        {
            foreach (var (_, fuzz) in s_targets)
            {
                fuzz(bytes);
            }
        }).QuickCheckThrowOnFailure();
}
