using Capstan.Nal.Logs;
using Microsoft.Extensions.Logging;

namespace Capstan.Client;

/// <summary>Hands each event to the host's loggers and to the client's own file <c>logs/ccim.log</c>. Owns the file, not the host's factory.</summary>
internal sealed class ClientLoggers(ILoggerFactory host, SmsLogProvider file, SmsLogOptions options) : ILoggerFactory, IAsyncDisposable
{
    public const string FileName = "ccim.log";

    public static ClientLoggers Create(ILoggerFactory host, string directory, TimeProvider time)
    {
        var options = new SmsLogOptions();
        return new ClientLoggers(host, new SmsLogProvider(Path.Combine(directory, FileName), "", options, time), options);
    }

    /// <summary>The lowest level that the file takes from now on; of the network abstraction layer its counts from debug on, and each lease from trace on.</summary>
    public void SetLevel(LogLevel level)
    {
        options.MinimumLevel = level;
        options.Verbosity = NalVerbosity.Errors | NalVerbosity.Warnings
            | (level <= LogLevel.Information ? NalVerbosity.Information : NalVerbosity.None)
            | (level <= LogLevel.Debug ? NalVerbosity.Counts : NalVerbosity.None)
            | (level <= LogLevel.Trace ? NalVerbosity.EntryExit : NalVerbosity.None);
    }

    public ILogger CreateLogger(string categoryName) => new Both(host.CreateLogger(categoryName), file.CreateLogger(categoryName));

    /// <exception cref="NotSupportedException">Always: providers belong to the host's factory.</exception>
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("add providers to the host's factory");

    public void Dispose() => file.Dispose();

    public ValueTask DisposeAsync() => file.DisposeAsync();

    private sealed class Both(ILogger first, ILogger second) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => first.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => first.IsEnabled(logLevel) || second.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (first.IsEnabled(logLevel))
                first.Log(logLevel, eventId, state, exception, formatter);
            if (second.IsEnabled(logLevel))
                second.Log(logLevel, eventId, state, exception, formatter);
        }
    }
}
