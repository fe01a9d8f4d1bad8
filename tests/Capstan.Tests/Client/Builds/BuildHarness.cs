using Capstan.Client;
using Capstan.Client.Builds;
using Capstan.Nal.Providers;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client.Builds;

/// <summary>A client with a CAP and builds. The test is the launcher.</summary>
public abstract class BuildHarness : IAsyncLifetime
{
    /// <summary>What lies on the CAP.</summary>
    private protected MemoryStore Cap { get; } = new(new ManualTime());

    /// <summary>As the client sees it.</summary>
    private protected FaultStore Seen { get; }
    private protected CountingStore Counted { get; }
    private protected ClientFixture Fixture { get; }
    private protected string Package { get; } = Directory.CreateTempSubdirectory("capstan-package-").FullName;
    private protected BuildFolder Folder { get; }

    protected BuildHarness()
    {
        Seen = new FaultStore(Cap, new ManualTime());
        Counted = new CountingStore(Seen);
        Fixture = new ClientFixture(Cap, Counted);
        Folder = new BuildFolder(Fixture.Options.Directory, Package);
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await Fixture.DisposeAsync();
        Directory.Delete(Package, recursive: true);
    }

    private protected static CancellationToken Stop => ClientFixture.Stop;

    private protected static byte[] Random(int length)
    {
        var bytes = new byte[length];
        new Random(7).NextBytes(bytes);
        return bytes;
    }

    private protected (string Current, string? Previous, string? Trial) Now() => Folder.ReadState() is var state ? (state.Current, state.Previous, state.Trial?.Id) : default;

    private protected string PathOf(ClientBuild build, string file) => Path.Combine(Folder.FolderOf(build.Id()), file);

    private protected async Task<StorePath> PackedAsync(string version, string file)
    {
        var hash = SampleBuild.File(file, SampleBuild.Files(version)[file]).Sha256;
        await foreach (var entry in Cap.ListAsync(StorePath.Parse("targets/client"), Stop))
        {
            if (entry.Path.Name.EndsWith($".{hash}.br", StringComparison.Ordinal))
                return entry.Path;
        }
        throw new InvalidOperationException($"{file} {version} is not on the CAP");
    }

    private protected async Task EnrolAsync(long ordinal = 0)
    {
        await Fixture.EnrolAsync(ordinal);
        await Fixture.CloseAsync();
    }

    private protected async Task<ClientBuild> OrderAsync(string version, long order, Func<ClientBuild, ClientBuild>? change = null)
    {
        var build = SampleBuild.Order(version, order);
        build = change?.Invoke(build) ?? build;
        SampleBuild.Set(Fixture.Site, build);
        await Fixture.Site.PublishAsync(Stop);
        return build;
    }

    private protected async Task<ClientBuild> UpgradedAsync(string version, long order)
    {
        if (!Directory.Exists(Fixture.Options.Directory))
            await EnrolAsync();
        var build = await OrderAsync(version, order);
        await RunAsync(Folder.ReadState().Current);
        Assert.True(Fixture.Client!.Loop.MustRestart, (await Fixture.StatusAsync()).BuildWaiting);
        await RunAsync(build.Id());
        Assert.Equal(build.Id(), Folder.ReadState().Current);
        return build;
    }

    private protected async Task OpenAsync(string id)
    {
        await Fixture.CloseAsync();
        Fixture.Options = new ClientOptions { Directory = Fixture.Options.Directory, Build = new BuildIdentity(id, Package) };
        await Fixture.OpenAsync();
    }

    /// <summary>What the launcher starts: this build, until it waits or wants to be another.</summary>
    private protected async Task RunAsync(string id)
    {
        await OpenAsync(id);
        await Fixture.Client!.Loop.BeginAsync(Stop);
        // A trial makes its contact by itself.
        if (!Fixture.Client!.Loop.MustRestart && Folder.ReadState().Trial?.Id != id)
            await Fixture.Client!.RunNowAsync(Stop);
        await StepsAsync(TimeSpan.Zero);
    }

    /// <summary>Lets the loop work for a time, as it does: until it wants another build.</summary>
    private protected async Task StepsAsync(TimeSpan duration)
    {
        for (var waited = TimeSpan.Zero; !Fixture.Client!.Loop.MustRestart;)
        {
            var pause = await Fixture.Client!.Loop.StepAsync(Stop);
            if (waited + pause > duration)
            {
                Fixture.Time.Advance(duration - waited);
                return;
            }
            Fixture.Time.Advance(pause);
            waited += pause;
        }
    }

    private protected Task UseUpAsync(ClientBuild build, long order) => File.WriteAllTextAsync(Path.Combine(Folder.Root, "starts"), $"{build.Id()} {order} 3\n", Stop);

    private protected async Task<IReadOnlyList<string>> StatusAsync(string code)
    {
        Fixture.Provider.Refuse = null;
        await Fixture.Client!.RunNowAsync(Stop);
        await Fixture.Site.DrainAsync(Stop);
        return [.. Fixture.Site.Items(Documents.StatusMessage).Where(message => message.Code == code).Select(message => message.Text)];
    }
}

/// <summary>Counts the bytes that are read, by path.</summary>
internal sealed class CountingStore(IStore inner) : IStore
{
    private readonly List<(string Path, long Bytes)> _reads = [];

    /// <summary>Of packed files of builds.</summary>
    public long PackedBytes => _reads.Where(read => read.Path.EndsWith(".br", StringComparison.Ordinal)).Sum(read => read.Bytes);

    public async ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken)
    {
        var content = await inner.ReadAllAsync(path, maxBytes, cancellationToken);
        _reads.Add((path.Value, content?.Length ?? 0));
        return content;
    }

    public async ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var count = await inner.ReadAsync(path, offset, buffer, cancellationToken);
        _reads.Add((path.Value, count));
        return count;
    }

    public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) => inner.StatAsync(path, cancellationToken);
    public IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, CancellationToken cancellationToken) => inner.ListAsync(directory, cancellationToken);
    public ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken) => inner.CreateAsync(path, content, cancellationToken);
    public ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.ReplaceAsync(path, content, cancellationToken);
    public ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken) => inner.DeleteAsync(path, cancellationToken);
    public ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken) => inner.RenameAsync(from, to, cancellationToken);
    public ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) => inner.CreateDirectoryAsync(path, cancellationToken);
    public ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) => inner.GetSpaceAsync(cancellationToken);
}
