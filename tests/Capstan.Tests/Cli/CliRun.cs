using Capstan.Cli;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Testing;

namespace Capstan.Tests.Cli;

/// <summary>Runs the command line in this process, with its streams captured and its own working directory.</summary>
internal sealed class CliRun : IDisposable
{
    private readonly StringWriter _out = new();
    private readonly StringWriter _errorText = new();
    private readonly TextWriter _error;
    private readonly MemoryStream _bytes = new();
    private readonly List<DirectoryLock> _running = [];

    /// <summary>What verbs say while they wait comes from other threads.</summary>
    public CliRun() => _error = TextWriter.Synchronized(_errorText);

    public string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("capstan-cli-").FullName;

    public string Out => _out.ToString();

    public string Error
    {
        // The lock of a synchronized writer is the writer.
        get { lock (_error) return _errorText.ToString(); }
    }

    public byte[] Bytes => _bytes.ToArray();

    public Stream Input { get; init; } = Stream.Null;

    public int Width { get; init; } = 80;

    public ManualTime Time { get; } = new(CannedRecords.Noon);

    public Random Random { get; init; } = new(1);

    public Func<TimeProvider, IReadOnlyList<IStorageProvider>> Storage { get; init; } = StorageProviders.All;

    /// <summary>Every server is there and well, so that no test asks the network.</summary>
    public Func<NalPath, TimeProvider, CancellationToken, Task<ServerGreeting>> Greet { get; init; } =
        (_, _, _) => Task.FromResult(new ServerGreeting(System.Net.IPAddress.Loopback, "3.1.1", "AES-GMAC", "AES-128-GCM", TimeSpan.Zero, TimeSpan.FromMilliseconds(3)));

    public async Task<int> RunAsync(params string[] arguments)
    {
        var host = new CliHost
        {
            Out = _out,
            Error = _error,
            OpenOutput = () => _bytes,
            OpenInput = () => Input,
            Time = Time,
            Random = Random,
            Storage = Storage,
            Greet = Greet,
            Environment = _ => null,
            WorkingDirectory = Directory,
            Width = Width,
            ServiceData = Path.Combine(Directory, "var"),
        };
        return await CapstanCommand.RunAsync(arguments, host);
    }

    /// <summary>A site's directory; with an address and its lock held, as one that runs has it.</summary>
    /// <param name="killed">It has the address, and nobody holds the lock.</param>
    public string MakeSite(string relative, Uri? listening, bool killed = false)
    {
        var site = Path.Combine(Directory, relative);
        System.IO.Directory.CreateDirectory(site);
        File.WriteAllText(Path.Combine(site, "site.json"), "{}");
        File.WriteAllText(Path.Combine(site, "api-token"), CannedSite.ApiToken);
        if (listening is not null && !killed)
            _running.Add(DirectoryLock.TryTake(site, out _)!);
        if (listening is not null)
            File.WriteAllText(Path.Combine(site, "listening"), listening.ToString());
        return site;
    }

    public void Dispose()
    {
        _out.Dispose();
        _error.Dispose();
        _bytes.Dispose();
        foreach (var held in _running)
            held.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
    }
}
