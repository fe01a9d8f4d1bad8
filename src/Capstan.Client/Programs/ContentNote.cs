using Capstan.Client.Content;

namespace Capstan.Client.Programs;

/// <summary>What one transfer says of its progress: kept in memory, and written at most every 10 s and at its end, since each write costs the disk a flush. Thread-safe.</summary>
internal sealed class ContentNote(string advertisementId, ProgramLedger ledger, TimeProvider time) : IProgress<ContentProgress>
{
    /// <summary>Between two writes.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private ContentProgress? _last;
    private long? _written;

    public void Report(ContentProgress value)
    {
        lock (_gate)
        {
            // The end of a transfer names no source, and is no other one.
            _last = value with { Source = value.Source ?? _last?.Source };
            if (_written is { } before && time.GetElapsedTime(before) < Pause)
                return;
            try
            {
                Write();
            }
            catch (ClientException)
            {
                // A disk that takes no note must not end the transfer, which says by itself what the disk is; the end is noted again.
                _written = time.GetTimestamp();
            }
        }
    }

    /// <summary>Writes what was said last.</summary>
    /// <exception cref="ClientException">The state cannot be written.</exception>
    public void Flush()
    {
        lock (_gate)
            if (_last is not null)
                Write();
    }

    private void Write()
    {
        ledger.TellProgress(advertisementId, _last!);
        _written = time.GetTimestamp();
    }
}
