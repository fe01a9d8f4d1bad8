using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Local;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Nal.Providers;

public sealed class MemoryStoreConformance : StoreConformance
{
    protected override ValueTask<IStore> CreateStoreAsync() => ValueTask.FromResult<IStore>(new MemoryStore(new ManualTime()));
}

public sealed class LocalStoreConformance : StoreConformance
{
    private readonly DirectoryInfo _root = MemoryTemp.OnDisk("capstan-store-");

    protected override ValueTask<IStore> CreateStoreAsync() => ValueTask.FromResult<IStore>(new LocalStore(_root.FullName, TimeProvider.System));

    public override ValueTask DisposeAsync()
    {
        _root.Delete(recursive: true);
        return base.DisposeAsync();
    }
}

public sealed class FaultStoreConformance : StoreConformance
{
    protected override ValueTask<IStore> CreateStoreAsync() => ValueTask.FromResult<IStore>(new FaultStore(new MemoryStore(new ManualTime()), new ManualTime()));
}

/// <summary>The way of systems without openat2, run wherever the tests run.</summary>
public sealed class PortableStoreConformance : StoreConformance
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("capstan-portable-");

    protected override ValueTask<IStore> CreateStoreAsync() =>
        ValueTask.FromResult<IStore>(new LocalStore(new PortableTree(_root.FullName), TimeProvider.System));

    public override ValueTask DisposeAsync()
    {
        _root.Delete(recursive: true);
        return base.DisposeAsync();
    }
}
