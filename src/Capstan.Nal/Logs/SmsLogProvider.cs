using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Capstan.Nal.Logs;

/// <summary>Writes a log file in the form of SMS logs (or JSON lines), which viewers of that family open.</summary>
/// <remarks>
/// <para>Logging never delays or fails the caller: lines wait in a bounded queue for one writer. A line that finds the queue full, or a disk that does
/// not take it, is dropped; the next line that is written is preceded by one that says how many were.</para>
/// <para>Thread-safe. Disposing writes what waits, for at most 5 s.</para>
/// </remarks>
public sealed class SmsLogProvider : ILoggerProvider, IAsyncDisposable
{
    private static readonly TimeSpan LongestFlush = TimeSpan.FromSeconds(5);
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    private readonly string _file;
    private readonly string _component;
    private readonly SmsLogOptions _options;
    private readonly TimeProvider _time;
    private readonly Channel<LogLine> _lines;
    private readonly Task _writer;
    private long _dropped;

    /// <param name="file">Made with its directory when the first line is written; appended to.</param>
    /// <param name="component">The name in every line; empty for the last part of the logger's category.</param>
    public SmsLogProvider(string file, string component, SmsLogOptions options, TimeProvider time)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        ArgumentNullException.ThrowIfNull(options);
        if (options.MaxBytes < 4_096 || options.MaxWaiting < 1)
            throw new ArgumentException($"a log rolls at {options.MaxBytes} bytes (4096 or more) and holds {options.MaxWaiting} waiting lines (1 or more)", nameof(options));
        _file = Path.GetFullPath(file);
        _component = component;
        _options = options;
        _time = time;
        _lines = Channel.CreateBounded<LogLine>(new BoundedChannelOptions(options.MaxWaiting) { SingleReader = true });
        _writer = Task.Run(WriteAsync);
    }

    /// <summary>Lines that were lost since the last one that said so.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    public ILogger CreateLogger(string categoryName)
    {
        ArgumentNullException.ThrowIfNull(categoryName);
        var isNal = categoryName.StartsWith("Capstan.Nal", StringComparison.Ordinal);
        return new SmsLogger(this, _component.Length > 0 ? _component : categoryName[(categoryName.LastIndexOf('.') + 1)..], isNal);
    }

    public void Dispose()
    {
        _lines.Writer.TryComplete();
        _writer.Wait(LongestFlush);
    }

    public async ValueTask DisposeAsync()
    {
        _lines.Writer.TryComplete();
        await Task.WhenAny(_writer, Task.Delay(LongestFlush, _time));
    }

    private async Task WriteAsync()
    {
        FileStream? stream = null;
        while (await _lines.Reader.WaitToReadAsync())
        {
            while (_lines.Reader.TryRead(out var line))
                stream = Write(stream, line);
            stream = Guarded(stream, open => open?.Flush());
        }
        stream?.Dispose();
    }

    private FileStream? Write(FileStream? stream, LogLine line)
    {
        var lost = Interlocked.Exchange(ref _dropped, 0);
        if (lost > 0)
            stream = WriteText(stream, line with { Text = $"{lost} lines before this one were dropped: the log could not keep up, or the disk did not take them", Cause = null }, lost);
        return WriteText(stream, line, weight: 1);
    }

    private FileStream? WriteText(FileStream? stream, LogLine line, long weight)
    {
        var bytes = Utf8.GetBytes((_options.Json ? line.ToJson() : line.ToSms()) + "\r\n");
        try
        {
            stream ??= Open();
            if (stream.Length > 0 && stream.Length + bytes.Length > _options.MaxBytes)
                stream = Roll(stream);
            stream.Write(bytes);
            return stream;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            Interlocked.Add(ref _dropped, weight);
            return Guarded(stream, open => open?.Dispose());
        }
    }

    /// <summary>Does something to the stream.</summary>
    /// <returns>The stream, or null when it failed or can be written no longer.</returns>
    private FileStream? Guarded(FileStream? stream, Action<FileStream?> action)
    {
        try
        {
            action(stream);
            return stream is { CanWrite: true } ? stream : null;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            Interlocked.Increment(ref _dropped);
            return null;
        }
    }

    private FileStream Open()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_file)!);
        return new FileStream(_file, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 16 * 1024);
    }

    private FileStream Roll(FileStream full)
    {
        full.Dispose();
        File.Move(_file, Path.ChangeExtension(_file, ".lo_"), overwrite: true);
        return Open();
    }

    private sealed class SmsLogger(SmsLogProvider provider, string component, bool isNal) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None
            && (isNal ? provider._options.Verbosity.HasFlag(LogLine.BitOf(logLevel)) : logLevel >= provider._options.MinimumLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel))
                return;
            var line = new LogLine(formatter(state, exception), component, logLevel, isNal ? LogLine.BitOf(logLevel) : null, eventId,
                provider._time.GetLocalNow(), Environment.CurrentManagedThreadId, exception);
            if (!provider._lines.Writer.TryWrite(line))
                Interlocked.Increment(ref provider._dropped);
        }
    }
}
