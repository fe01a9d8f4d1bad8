namespace Capstan.Nal.Providers;

/// <summary>
/// A rooted tree of files on some storage: what a lease gives its holder. Nothing can be named outside the root (<see cref="StorePath"/>).
/// </summary>
/// <remarks>
/// The weakest common storage sets the contract: create-only and replace of whole files, ranges for reading, listing for the site's side only.
/// All members are thread-safe and throw <see cref="NalException"/> when the world fails, <see cref="OperationCanceledException"/> when the
/// caller gives up. Directories come into being with their files. One suite, <c>StoreConformance</c>, states the contract.
/// </remarks>
public interface IStore
{
    /// <summary>Facts about one entry; null when nothing is there.</summary>
    ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken);

    /// <summary>Reads a whole file, at most <paramref name="maxBytes"/>; null when nothing is there.</summary>
    /// <exception cref="NalException"><see cref="NalError.TooLarge"/> when the file is longer: nothing beyond the limit is read.</exception>
    ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken);

    /// <summary>Reads up to the buffer's length from <paramref name="offset"/>; fewer bytes only at the end of the file, 0 at or past it.</summary>
    /// <exception cref="NalException"><see cref="NalError.NotFound"/> when nothing is there.</exception>
    ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Entries of one directory, in no order; empty when the directory is not there.</summary>
    IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, CancellationToken cancellationToken);

    /// <summary>Creates a file straight under its final name. False, and nothing changed, when the name is taken. Durable on return.</summary>
    /// <remarks>Interrupted, a short file may stay under the name: the format must be able to tell (design.md 6).</remarks>
    ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken);

    /// <summary>Creates or replaces a file, atomically where the storage can. Durable on return.</summary>
    ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);

    /// <summary>Deletes a file or an empty directory; false when nothing was there.</summary>
    ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken);

    /// <summary>Renames a file. Nothing in the CAP format may need this; <c>cap check</c> proves that clients cannot.</summary>
    ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken);

    /// <summary>Creates a directory and its parents; no effect when it is there.</summary>
    ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken);

    /// <summary>Space left for this account; null where the storage does not tell.</summary>
    ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken);
}

/// <summary>One file or directory.</summary>
/// <param name="Path">Where, below the store's root.</param>
/// <param name="IsDirectory">True for a directory.</param>
/// <param name="LengthBytes">0 for a directory.</param>
/// <param name="LastWrite">By the storage's clock, UTC.</param>
public sealed record StoreEntry(StorePath Path, bool IsDirectory, long LengthBytes, DateTimeOffset LastWrite);

/// <summary>Space of a store, in bytes.</summary>
public sealed record StoreSpace(long FreeBytes, long TotalBytes);
