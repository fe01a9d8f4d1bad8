namespace Capstan.Tests.Lives;

/// <summary>The disk of a machine as it is at one instant.</summary>
internal static class LifeDisk
{
    /// <summary>What is no state: who works there now, what was told, and what is written without being flushed.</summary>
    private static readonly IReadOnlyList<string> s_left = ["lock", "logs", "parts"];

    /// <summary>Puts a copy of one directory in place of another. Between two writes of the one that works there, it is what a power cut leaves.</summary>
    public static void Copy(string from, string to)
    {
        if (Directory.Exists(to))
            Directory.Delete(to, recursive: true);
        Directory.CreateDirectory(to);
        foreach (var entry in new DirectoryInfo(from).EnumerateFileSystemInfos().Where(entry => !s_left.Contains(entry.Name, StringComparer.Ordinal)))
        {
            if (entry is DirectoryInfo)
                Copy(entry.FullName, Path.Combine(to, entry.Name));
            else
                File.Copy(entry.FullName, Path.Combine(to, entry.Name));
        }
    }
}
