using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Capstan.Client;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;

namespace Capstan.Tests.Client.Builds;

/// <summary>Small builds with two files: the program, of 2,000 bytes that do not pack, and a library of 1,000.</summary>
internal static class SampleBuild
{
    /// <summary>The content of the files by name. The library is the same in all builds of one <paramref name="library"/>.</summary>
    public static Dictionary<string, byte[]> Files(string version, int library = 1) => new(StringComparer.Ordinal)
    {
        [BuildFile.Program] = Noise($"program {version}", 2_000),
        ["lib.so"] = Noise($"library {library}", 1_000),
    };

    public static ClientBuild Order(string version, long order, IReadOnlyDictionary<string, byte[]>? files = null) => new()
    {
        Platform = ClientParts.Platform,
        Version = version,
        Order = order,
        Downgrade = false,
        SpreadSeconds = 0,
        Files = [.. (files ?? Files(version)).Select(file => File(file.Key, file.Value))],
    };

    public static BuildFile File(string name, byte[] content)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(content));
        return new BuildFile(name, name == BuildFile.Program, content.Length, hash, Layout.BuildFileTarget(hash));
    }

    public static byte[] Pack(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var brotli = new BrotliStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            brotli.Write(content);
        return packed.ToArray();
    }

    /// <summary>Puts an order and its files into what the site publishes next.</summary>
    public static void Set(TestSite site, ClientBuild build, IReadOnlyDictionary<string, byte[]>? files = null)
    {
        site.Set(Layout.ClientBuildsTarget, Documents.ClientBuilds.Encode(new ClientBuilds { SiteCode = site.SiteCode, Builds = [build] }));
        foreach (var content in (files ?? Files(build.Version)).Values)
            site.Set(File("x", content).Target, Pack(content));
    }

    private static byte[] Noise(string seed, int length)
    {
        var bytes = new byte[length];
        for (var at = 0; at < length; at += 32)
            SHA256.HashData(Encoding.ASCII.GetBytes($"{seed} {at}")).AsSpan(0, Math.Min(32, length - at)).CopyTo(bytes.AsSpan(at));
        return bytes;
    }
}
