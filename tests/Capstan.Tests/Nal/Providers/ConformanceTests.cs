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
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("capstan-store-");

    protected override ValueTask<IStore> CreateStoreAsync() => ValueTask.FromResult<IStore>(new LocalStore(_root.FullName, TimeProvider.System));

    public override ValueTask DisposeAsync()
    {
        _root.Delete(recursive: true);
        return base.DisposeAsync();
    }
}
