using Capstan.Testing;

namespace Capstan.ServerTests.Distribution;

/// <summary>What tests publish: directories with a program that says where and how often it ran.</summary>
internal static class Source
{
    /// <summary>The program's path in the package.</summary>
    public const string Setup = "setup.sh";

    /// <summary>Writes a package whose program adds a line to <c>ran</c> in the directory of the client that runs it.</summary>
    /// <param name="says">The line.</param>
    /// <param name="data">Of the one large file.</param>
    public static async Task<string> WriteAsync(string directory, string says, byte[] data)
    {
        Directory.CreateDirectory(directory);
        var setup = Path.Combine(directory, Setup);
        if (!File.Exists(setup))
        {
            await File.WriteAllTextAsync(setup, "#!/bin/sh\ncat says >>\"$(dirname \"$(dirname \"$CAPSTAN_CONTENT\")\")/ran\"\n");
            Executable.Set(setup, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        await File.WriteAllTextAsync(Path.Combine(directory, "says"), says + "\n");
        await File.WriteAllBytesAsync(Path.Combine(directory, "data"), data);
        return directory;
    }

    /// <summary>Bytes that compress badly, the same for the same seed.</summary>
    public static byte[] Noise(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Below a directory: paths, and what the files hold.</summary>
    public static IReadOnlyList<(string Path, string Hash)> Below(string directory) =>
        [.. Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories)
            .Select(file => (Path.GetRelativePath(directory, file), Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)))))
            .OrderBy(file => file.Item1, StringComparer.Ordinal)];
}
