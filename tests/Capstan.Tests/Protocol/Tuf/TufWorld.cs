using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Testing;

namespace Capstan.Tests.Protocol.Tuf;

/// <summary>A site's repository, its CAP and a client, all in memory, under one clock.</summary>
internal sealed class TufWorld
{
    public TufWorld(int binBits = 4, TufLifetimes? lifetimes = null)
    {
        Keys = TestKeys.New();
        Repository = TufRepository.Create(Keys, Time.GetUtcNow(), binBits, lifetimes);
        Client = NewClient();
    }

    public ManualTime Time { get; } = new();
    public TufKeys Keys { get; set; }
    public TufRepository Repository { get; set; }
    public MemoryCap Cap { get; } = new();
    public MemoryTrust Trust { get; private set; } = new();
    public TufClient Client { get; set; }

    /// <summary>A new process on the same trust store.</summary>
    public TufClient NewClient() => new(Cap, Trust, Time);

    /// <summary>A machine that was never here.</summary>
    public TufClient NewMachine()
    {
        Trust = new MemoryTrust();
        return Client = NewClient();
    }

    public IReadOnlyList<TufFile> Publish(bool force = false)
    {
        var files = Repository.Publish(Keys, Time.GetUtcNow(), 0, force);
        Cap.Write(files);
        return files;
    }

    public void Set(string path, string content) => Repository.SetTarget(path, Encoding.UTF8.GetBytes(content));

    public Task EnrolAsync() => Client.TrustRootAsync(Repository.RootHash, Repository.RootVersion, default).AsTask();

    public Task<TufUpdate> RefreshAsync(bool complete = false) => Client.RefreshAsync(complete, default).AsTask();

    public async Task<string?> ReadAsync(string path) =>
        await Client.ReadTargetAsync(path, 1_000_000, default) is { } target ? Encoding.UTF8.GetString(target.Content.Span) : null;

    /// <summary>Published once with a site description and three policies; the client is enrolled and up to date.</summary>
    public static async Task<TufWorld> RunningAsync(int binBits = 4)
    {
        var world = new TufWorld(binBits);
        world.Set("site/site.json", "site one");
        world.Set("policy/a.json", "policy a");
        world.Set("policy/b.json", "policy b");
        world.Publish();
        await world.EnrolAsync();
        await world.RefreshAsync();
        return world;
    }
}

internal static class TestKeys
{
    public static readonly string[] Roles = ["root", "targets", "snapshot", "timestamp", "site", "packages", "client", "policy"];

    public static TufKeys New() => new(Roles.ToDictionary(role => role, _ => ECDsa.Create(ECCurve.NamedCurves.nistP256)));

    /// <summary>The same keys but for the named roles.</summary>
    public static TufKeys Replaced(this TufKeys keys, params string[] roles) =>
        new(keys.ByRole.ToDictionary(key => key.Key, key => roles.Contains(key.Key) ? ECDsa.Create(ECCurve.NamedCurves.nistP256) : key.Value));
}

/// <summary>A CAP as a client sees it; the test writes whatever it likes into it and sees what was read.</summary>
internal sealed class MemoryCap : ITufSource
{
    public Dictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);
    public List<string> Reads { get; } = [];

    public void Write(IEnumerable<TufFile> files)
    {
        foreach (var file in files)
            Files[file.Path] = file.Content.ToArray();
    }

    public byte[] this[string path] { get => Files[path]; set => Files[path] = value; }

    public Dictionary<string, byte[]> Snapshot() => new(Files, StringComparer.Ordinal);

    public void Restore(Dictionary<string, byte[]> files)
    {
        Files.Clear();
        foreach (var (path, content) in files)
            Files[path] = content;
    }

    public ValueTask<byte[]?> ReadAsync(string path, long maxBytes, CancellationToken cancellationToken)
    {
        Reads.Add(path);
        if (!Files.TryGetValue(path, out var content))
            return ValueTask.FromResult<byte[]?>(null);
        if (content.Length > maxBytes)
            throw new ProtocolException(ProtocolError.TooLarge, $"{path} has more than {maxBytes} bytes.", path);
        return ValueTask.FromResult<byte[]?>(content);
    }
}

/// <summary>A trust store that can crash: the n-th change from now on throws before or after it was made.</summary>
internal sealed class MemoryTrust : ITrustStore
{
    public Dictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>Changes until the crash; negative for none.</summary>
    public int ChangesLeft { get; set; } = -1;

    public int Changes { get; private set; }

    public ValueTask<byte[]?> LoadAsync(string role, CancellationToken cancellationToken) =>
        ValueTask.FromResult(Files.GetValueOrDefault(role));

    public ValueTask SaveAsync(string role, ReadOnlyMemory<byte> metadata, CancellationToken cancellationToken)
    {
        Step();
        Files[role] = metadata.ToArray();
        return ValueTask.CompletedTask;
    }

    public ValueTask DeleteAsync(string role, CancellationToken cancellationToken)
    {
        Step();
        Files.Remove(role);
        return ValueTask.CompletedTask;
    }

    public Dictionary<string, byte[]> Copy() => new(Files, StringComparer.Ordinal);

    private void Step()
    {
        if (ChangesLeft == 0)
            throw new IOException("the machine lost power");
        ChangesLeft--;
        Changes++;
    }
}
