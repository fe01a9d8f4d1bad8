using Capstan.Nal.Providers.Local;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Nal.Providers.Nwbind;

namespace Capstan.Nal.Providers;

/// <summary>The kinds of storage that this build speaks.</summary>
public static class StorageProviders
{
    /// <summary>One of each, for one arbiter.</summary>
    public static IReadOnlyList<IStorageProvider> All(TimeProvider time) => [new LocalProvider(time), new MswnetProvider(time), new NwbindProvider(time)];
}
