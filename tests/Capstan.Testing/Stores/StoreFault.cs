using Capstan.Nal;
using Capstan.Nal.Providers;

namespace Capstan.Testing.Stores;

/// <summary>The operations of a store that a fault can hit.</summary>
[Flags]
public enum StoreOperations
{
    None = 0,
    Stat = 1,
    Read = 2,
    List = 4,
    Create = 8,
    Replace = 16,
    Delete = 32,
    Rename = 64,
    MakeDirectory = 128,
    Space = 256,
    Writes = Create | Replace | Delete | Rename | MakeDirectory,
    All = Stat | Read | List | Writes | Space,
}

/// <summary>One fault of a <see cref="FaultStore"/>.</summary>
/// <param name="Operations">Which operations it can hit.</param>
/// <param name="Error">What the caller is told; null for a delay alone.</param>
public sealed record StoreFault(StoreOperations Operations, NalError? Error)
{
    /// <summary>Hits only the paths that begin with this text. Default all.</summary>
    public string PathPrefix { get; init; } = "";

    /// <summary>Hits the n-th matching operation alone, from 1. Null hits each.</summary>
    public int? Nth { get; init; }

    /// <summary>True: the operation is done and its answer lost. Default: it is not done.</summary>
    public bool After { get; init; }

    /// <summary>For create and replace: this many bytes are written under the final name before the failure. Null writes none.</summary>
    public int? TearAtByte { get; init; }

    /// <summary>Waited before anything else, on the store's clock. Default none.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Waited for before anything else, whatever the token says: an operation that hangs in the kernel.</summary>
    public StoreHold? Hold { get; init; }

    /// <summary>Operations that matched so far, hit or not: with no error and no delay it only counts.</summary>
    public int Seen { get; internal set; }

    internal NalException Thrown(StorePath path) => new(Error!.Value, $"injected {Error} at '{path}'", path.Value,
        After || TearAtByte is not null ? Completion.Unknown : Completion.Refused, isTransient: true);
}

/// <summary>Holds operations until it is released.</summary>
public sealed class StoreHold
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the first operation hangs.</summary>
    public Task Reached => _reached.Task;

    public void Release() => _released.TrySetResult();

    internal Task PassAsync()
    {
        _reached.TrySetResult();
        return _released.Task;
    }
}
