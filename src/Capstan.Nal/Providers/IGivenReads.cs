namespace Capstan.Nal.Providers;

/// <summary>A store that reads into memory which its caller gives away: nothing is copied, also where a caller may leave a read that hangs.</summary>
internal interface IGivenReads
{
    /// <summary>As <see cref="IStore.ReadAsync"/>.</summary>
    /// <param name="given">The caller's again when this returns. After an exception it is never again: an abandoned read may still write there.</param>
    ValueTask<int> ReadGivenAsync(StorePath path, long offset, Memory<byte> given, CancellationToken cancellationToken);
}
