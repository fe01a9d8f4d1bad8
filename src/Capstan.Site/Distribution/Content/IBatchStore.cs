namespace Capstan.Site.Distribution.Content;

/// <summary>Where a <see cref="ChunkPipeline"/> leaves its batches.</summary>
internal interface IBatchStore
{
    /// <summary>Makes a batch ready to be stored. Called on several threads at once.</summary>
    Task PrepareAsync(ChunkBatch batch, CancellationToken cancellationToken);

    /// <summary>Stores a prepared batch, which is filled with other chunks afterwards. One call at a time, in the order of the bytes.</summary>
    Task StoreAsync(ChunkBatch batch, CancellationToken cancellationToken);

    /// <summary>Everything that was stored is whole and durable. Not while something is stored.</summary>
    Task FlushAsync();
}
