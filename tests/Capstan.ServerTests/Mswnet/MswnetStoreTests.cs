using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Mswnet;
using Capstan.ServerTests.Smb;
using Capstan.Testing.Stores;

namespace Capstan.ServerTests.Mswnet;

/// <summary>One Samba for all tests of a class; each works in a folder of its own.</summary>
public sealed class SharedSamba : IAsyncLifetime
{
    private SambaServer? _server;

    internal SambaServer Server => _server!;

    public async ValueTask InitializeAsync() => _server = await SambaServer.StartAsync();

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? ValueTask.CompletedTask;

    internal static ConnectionAccount Account(string name) => new(name, new Secret(SambaServer.PasswordOf(name)));
}

/// <summary>The contract of a store, on a real share.</summary>
public sealed class MswnetStoreTests(SharedSamba samba) : StoreConformance, IClassFixture<SharedSamba>
{
    private IStorageConnection? _connection;
    private string _folder = "";

    protected override async ValueTask<IStore> CreateStoreAsync()
    {
        var folder = Guid.NewGuid().ToString("n");
        _folder = Directory.CreateDirectory(Path.Combine(samba.Server.FolderOf("cap"), folder)).FullName;
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_folder, (UnixFileMode)0b111_111_111);
        var path = NalPath.Parse(FormattableString.Invariant($"smb://127.0.0.1:{samba.Server.Port}/cap/{folder}/"));
        _connection = await new MswnetProvider(TimeProvider.System).ConnectAsync(new ConnectRequest(path, SharedSamba.Account("capa"), Previous: null), CancellationToken.None);
        return await _connection.OpenAsync(path, CancellationToken.None);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_connection is not null)
            Assert.True(await _connection.CloseAsync(CancellationToken.None), "the close was not confirmed");
        await base.DisposeAsync();
    }

    [Fact]
    public async Task A_large_file_goes_and_comes_back_whole()
    {
        var content = new byte[(5 << 20) + 17];
        new Random(1).NextBytes(content);
        Assert.True(await Store.CreateAsync(At("big/created"), new MemoryStream(content), CancellationToken.None));
        await Store.ReplaceAsync(At("big/replaced"), content, CancellationToken.None);
        Assert.Equal(content, await Store.ReadAllAsync(At("big/created"), content.Length, CancellationToken.None));
        Assert.Equal(content, await Store.ReadAllAsync(At("big/replaced"), content.Length, CancellationToken.None));
    }

    [Fact]
    public async Task Temporaries_of_a_killed_process_are_swept_once_they_are_old()
    {
        await CreateAsync("file", "x");
        var old = Path.Combine(_folder, ".capstan-0123456789abcdef.tmp");
        var young = Path.Combine(_folder, ".capstan-fedcba9876543210.tmp");
        await File.WriteAllTextAsync(old, "");
        await File.WriteAllTextAsync(young, "");
        File.SetLastWriteTimeUtc(old, DateTime.UnixEpoch.AddYears(40));
        Assert.Equal(["file"], await ListAsync(""));
        await Store.ReplaceAsync(At("other"), "y"u8.ToArray(), CancellationToken.None);
        Assert.False(File.Exists(old));
        Assert.True(File.Exists(young));
    }
}
