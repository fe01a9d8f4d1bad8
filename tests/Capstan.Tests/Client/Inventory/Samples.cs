using System.Runtime.CompilerServices;

namespace Capstan.Tests.Client.Inventory;

/// <summary>Recorded trees of machines, written into a folder of their own.</summary>
internal sealed class Samples : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("capstan-inventory-").FullName;

    public static string Corpus(string target, [CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "Corpus", target);

    public static byte[] CorpusFile(string target, string name) => File.ReadAllBytes(Path.Combine(Corpus(target), name));

    public Samples With(string path, string text) => With(path, System.Text.Encoding.UTF8.GetBytes(text));

    public Samples With(string path, byte[] bytes)
    {
        var full = Path.Combine(Root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllBytes(full, bytes);
        return this;
    }

    public Samples Link(string path, string target)
    {
        var full = Path.Combine(Root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.CreateSymbolicLink(full, target);
        return this;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
