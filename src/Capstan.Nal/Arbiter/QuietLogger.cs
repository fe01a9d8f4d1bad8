using Microsoft.Extensions.Logging;

namespace Capstan.Nal.Arbiter;

/// <summary>A log whose failures change nothing (design, section 10, invariant 10): a sink that throws would else leave a connection or a slot behind, half given back.</summary>
/// <remarks>Thread-safe as its inner one. A line that could not be written is counted, since there is nowhere to write that.</remarks>
internal sealed class QuietLogger(ILogger inner) : ILogger
{
    private long _lost;

    /// <summary>Lines that could not be written.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return inner.IsEnabled(logLevel);
        }
        catch (Exception)
        {
            Interlocked.Increment(ref _lost);
            return false;
        }
    }

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        try
        {
            inner.Log(logLevel, eventId, state, exception, formatter);
        }
        catch (Exception)
        {
            Interlocked.Increment(ref _lost);
        }
    }
}
