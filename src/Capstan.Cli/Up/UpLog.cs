using System.Globalization;
using System.Text;
using Capstan.Site.Console;
using Microsoft.Extensions.Logging;

namespace Capstan.Cli.Up;

/// <summary>The log of <c>up</c>: one line per event in one file, of site and client together. Above 4 MiB at the start it begins anew, and the old one is kept as <c>.1</c>.</summary>
internal sealed class UpLog : ILoggerProvider
{
    private const long MaxBytes = 4 * 1024 * 1024;
    private readonly Lock _gate = new();
    private readonly StreamWriter _file;
    private readonly TimeProvider _time;

    private UpLog(string path, TimeProvider time)
    {
        if (new FileInfo(path) is { Exists: true, Length: > MaxBytes })
            File.Move(path, path + ".1", overwrite: true);
        _file = new StreamWriter(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete), new UTF8Encoding(false)) { AutoFlush = true };
        _time = time;
    }

    public static ILoggerFactory Create(string path, TimeProvider time) => LoggerFactory.Create(logging => logging
        .AddFilter("Microsoft", LogLevel.Warning)
        .AddProvider(new UpLog(path, time)));

    public ILogger CreateLogger(string categoryName) => new Writer(this, categoryName[(categoryName.LastIndexOf('.') + 1)..]);

    public void Dispose() => _file.Dispose();

    private void Write(string category, LogLevel level, EventId id, string text, Exception? cause)
    {
        var time = _time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture);
        var line = string.Create(CultureInfo.InvariantCulture, $"{time} {level} {category}[{id.Id}] {VisibleText.Of(text)}");
        lock (_gate)
        {
            _file.WriteLine(line);
            if (cause is not null)
                _file.WriteLine(cause);
        }
    }

    private sealed class Writer(UpLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information && logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                log.Write(category, logLevel, eventId, formatter(state, exception), exception);
        }
    }
}
