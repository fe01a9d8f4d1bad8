using Capstan.Nal.Arbiter.Journal;
using Capstan.Nal.Providers;

namespace Capstan.Nal.Arbiter.Machine;

/// <summary>A connection with its record; no record where nobody counts it.</summary>
internal sealed class KeptConnection(IStorageConnection connection, RecordFile? record)
{
    public IStorageConnection Connection => connection;
    public RecordFile? Record => record;
}
