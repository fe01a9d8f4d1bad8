using System.Text;
using Capstan.Tests.House;

namespace Capstan.Tests.Golden;

/// <summary>A file that fixes a published format. It may be added, never edited.</summary>
internal static class GoldenFile
{
    public const string Advice =
        "A published format does not change: clients and sites that know only the old one are out there. Do not edit the golden file. " +
        "A new optional member is added to the record and to a new golden file; anything else is a new version in its own folder (Protocol/V2).";

    /// <summary>The bytes. With CAPSTAN_NEW_GOLDEN=1 a file that does not exist yet is made of <paramref name="first"/>; one that exists is never written.</summary>
    public static byte[] Read(string name, Func<byte[]> first)
    {
        var path = Path.Combine(Repository.Root, "tests", "Capstan.Tests", "Golden", "V1", name);
        if (!File.Exists(path))
        {
            Assert.True(Environment.GetEnvironmentVariable("CAPSTAN_NEW_GOLDEN") == "1", $"There is no {path}: run once with CAPSTAN_NEW_GOLDEN=1, look at the file, and commit it.");
            File.WriteAllBytes(path, first());
        }
        return File.ReadAllBytes(path);
    }

    public static void Same(byte[] golden, byte[] actual, string name) =>
        Assert.True(golden.AsSpan().SequenceEqual(actual), $"{name} differs.\n{Advice}\nGolden: {Encoding.UTF8.GetString(golden)}\nActual: {Encoding.UTF8.GetString(actual)}");
}
