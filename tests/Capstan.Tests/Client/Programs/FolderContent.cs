using Capstan.Client.Content;
using Capstan.Testing;

namespace Capstan.Tests.Client.Programs;

/// <summary>Package versions that are folders of the test: they come here when they are asked for, unless the test says otherwise.</summary>
internal sealed class FolderContent(string root) : IPackageContent
{
    private readonly HashSet<PackageKey> _here = [];

    /// <summary>Null: it is brought here.</summary>
    public Func<PackageKey, ContentOutcome?> Answers { get; set; } = _ => null;
    public string? Fault { get; set; }
    public List<string> Fetched { get; } = [];
    public IReadOnlyList<PackageKey> Pinned { get; private set; } = [];

    /// <summary>Waits until the test lets it go, or it is cancelled.</summary>
    public Task Held { get; set; } = Task.CompletedTask;

    public string FolderOf(PackageKey package) => Directory.CreateDirectory(Path.Combine(root, "content", package.ToString())).FullName;

    public void Script(PackageKey package, string name, string text)
    {
        var path = Path.Combine(FolderOf(package), name);
        File.WriteAllText(path, "#!/bin/sh\n" + text.ReplaceLineEndings("\n"));
        Executable.Set(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    public ContentPresence Look(PackageKey package) => _here.Contains(package) ? new ContentPresence(FolderOf(package), 10, 10) : new ContentPresence(null, 0, 10);

    public async Task<ContentOutcome> EnsureAsync(PackageKey package, ReadOnlyMemory<byte> document, ContentNeed need, IProgress<ContentProgress> progress, CancellationToken cancellationToken)
    {
        Fetched.Add(package.ToString());
        await Held.WaitAsync(cancellationToken);
        if (Answers(package) is { } answer)
            return answer;
        progress.Report(new ContentProgress(10, 10, "the CAP"));
        _here.Add(package);
        Fault = null;
        return new ContentOutcome.Ready(FolderOf(package));
    }

    public Task<string?> VerifyAsync(PackageKey package, ReadOnlyMemory<byte> document, CancellationToken cancellationToken)
    {
        if (Fault is not null)
            _here.Remove(package);
        return Task.FromResult(Fault);
    }

    public void Pin(IReadOnlyList<PackageKey> packages) => Pinned = packages;
}
