using System.Net;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Connection;

/// <summary>One TCP connection to one server. Whoever opened it owns it: nothing reconnects behind the caller's back.</summary>
/// <remarks>
/// <para>Thread-safe: any number of callers share it, each request with its own answer, deadline and cancellation. Requests are sent in the order in which
/// they got their credits. A caller that gives up sends CANCEL and leaves the connection usable; a success that comes too late is undone (an opened file is closed).</para>
/// <para>When the link ends, for whatever cause, everything under way fails with that cause, and every later call, too; <see cref="Ended"/> tells.</para>
/// </remarks>
public sealed partial class SmbConnection : IAsyncDisposable
{
    private static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CleaningTime = TimeSpan.FromSeconds(2);

    private readonly Stream _stream;
    private readonly SmbOptions _options;
    private readonly Lock _gate = new();
    private readonly CreditWindow _credits = new();
    private readonly Dictionary<ulong, Exchange> _pending = [];
    private readonly Dictionary<ulong, MessageSecurity> _security = [];
    /// <summary>Keys of sessions whose id the server gave to another since.</summary>
    private readonly List<MessageSecurity> _replaced = [];
    private readonly List<SmbSession> _sessions = [];
    private readonly HashSet<Task> _cleanups = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stopping = new();
    /// <summary>Its token: usable after the source is disposed of, by what is cleaned up late.</summary>
    private readonly CancellationToken _stop;
    private TaskCompletionSource? _clean;
    private int _undoing;
    private SmbException? _end;
    private ulong _nextMessageId;
    private Task _receiving = Task.CompletedTask;
    private Task? _disposed;

    private SmbConnection(Stream stream, SmbEndpoint endpoint, SmbOptions options, EndPoint? remote)
    {
        _stream = stream;
        _options = options;
        Endpoint = endpoint;
        RemoteAddress = remote;
        _stop = _stopping.Token;
        _clock = options.Time.GetTimestamp();
        Pace = new WritePace(options.Time);
        _monitor = options.Time.CreateTimer(static state => ((SmbConnection)state!).Tick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public SmbEndpoint Endpoint { get; }

    /// <summary>The address that was reached; null over a stream of the caller's.</summary>
    public EndPoint? RemoteAddress { get; }

    public SmbDialect Dialect { get; private set; }

    /// <summary>How signatures are made where messages are signed.</summary>
    public SmbSigning Signing { get; private set; }

    /// <summary>How messages are encrypted where they are; <see cref="SmbCipher.None"/> when the server cannot.</summary>
    public SmbCipher Cipher { get; private set; }

    /// <summary>The server's own id: the same under all its names.</summary>
    public Guid ServerGuid { get; private set; }

    /// <summary>The server's clock at NEGOTIATE; null when it does not tell.</summary>
    public DateTimeOffset? ServerTime { get; private set; }

    /// <summary>The most bytes that one READ takes.</summary>
    public int MaxReadBytes { get; private set; }

    public int MaxWriteBytes { get; private set; }

    /// <summary>Of the writes to files.</summary>
    internal WritePace Pace { get; }

    /// <summary>The most bytes of a listing or a pipe's message.</summary>
    public int MaxTransactBytes { get; private set; }

    /// <summary>Completes, without fault, when the link is over.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Why the link is over; null while it stands.</summary>
    public SmbException? EndCause
    {
        get
        {
            lock (_gate)
                return _end;
        }
    }

    /// <summary>Nothing is under way, and nothing has to be cleaned up.</summary>
    internal bool IsIdle
    {
        get
        {
            lock (_gate)
                return _pending.Count == 0 && _credits.Waiting == 0 && _cleanups.Count == 0;
        }
    }

    /// <summary>Whether related requests go in one frame. Turned off for good by a server that refuses them.</summary>
    internal bool Compounds { get; set; } = true;

    internal SmbOptions Options => _options;

    /// <summary>Payload of one request that the credits of this connection can pay for without starving others: a quarter of them, at least one.</summary>
    internal int AffordableBytes
    {
        get
        {
            lock (_gate)
                return HasMultiCredit ? Math.Clamp(_credits.Total / 4, 1, MostPayload / CreditUnit) * CreditUnit : CreditUnit;
        }
    }

    private const int CreditUnit = 65536;

    private bool HasMultiCredit { get; set; }

    /// <summary>One round trip; proves that the server still answers.</summary>
    public async ValueTask EchoAsync(CancellationToken cancellationToken)
    {
        using var answer = await CallAsync(default, new EmptyRequest(SmbCommand.Echo), orphaned: null, cancellationToken);
        if (answer.Status.IsError)
            throw SmbException.Of(answer.Status, SmbCommand.Echo, $"asking {Endpoint} for an echo");
    }

    /// <summary>Logs off what is still logged on, awaited for at most 5 s, and closes the link. Does not throw for what the world does.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
            return new ValueTask(_disposed ??= CloseAsync());
    }

    private async Task CloseAsync()
    {
        // Out of the caller's lock first: the sessions have locks of their own.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        SmbSession[] sessions;
        lock (_gate)
            sessions = [.. _sessions];
        using (var late = new CancellationTokenSource(ClosingTime, _options.Time))
        {
            await CleanAsync(late.Token);
            foreach (var session in sessions)
                await session.LogOffAsync(late.Token);
        }
        End(new SmbException(SmbFailure.Lost, $"the connection to {Endpoint} was closed on this side", SmbCompletion.NotSent));
        await _receiving;
        await _draining;
        await _monitor.DisposeAsync();
        _stopping.Dispose();
        foreach (var security in _security.Values.Concat(_replaced))
            security.Dispose();
    }

    /// <summary>Waits until what was given up is cleaned up after, answers that are still to come included; 2 s at most.</summary>
    internal async Task CleanAsync(CancellationToken cancellationToken)
    {
        Task clean;
        lock (_gate)
        {
            if (IsClean)
                return;
            clean = (_clean ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
        await clean.WaitAsync(CleaningTime, _options.Time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Under the lock, as the next.</summary>
    private bool IsClean => _end is not null
        || (_cleanups.Count == 0 && _undoing == 0 && !_pending.Values.Any(exchange => exchange is { IsAbandoned: true, Orphaned: not null }));

    private void TellClean()
    {
        if (_clean is not { } waiting || !IsClean)
            return;
        waiting.TrySetResult();
        _clean = null;
    }

    /// <summary>Ends the link once: everything under way and everything to come fails with <paramref name="cause"/>.</summary>
    private void End(SmbException cause)
    {
        Exchange[] pending;
        IReadOnlyList<CreditWindow.Waiter> waiting;
        lock (_gate)
        {
            if (_end is not null)
                return;
            _end = cause;
            pending = [.. _pending.Values];
            _pending.Clear();
            waiting = _credits.Remove(_ => true);
            _monitor.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            TellClean();
        }
        foreach (var exchange in pending)
            exchange.TrySetException(Ending(cause, exchange.IsSent ? SmbCompletion.Unknown : SmbCompletion.NotSent, exchange.Command));
        foreach (var waiter in waiting)
            waiter.Granted.TrySetException(Ending(cause, SmbCompletion.NotSent, command: null));
        _stopping.Cancel();
        _stream.Dispose();
        _ended.TrySetResult();
    }

    private static SmbException Ending(SmbException cause, SmbCompletion completion, SmbCommand? command) =>
        new(cause.Failure, cause.Message, completion, command, cause.Status, cause);

    private void ThrowIfEnded()
    {
        if (_end is { } cause)
            throw Ending(cause, SmbCompletion.NotSent, command: null);
    }

    /// <summary>Work that outlives its caller, such as closing a file whose opening was cancelled. Awaited when the connection closes.</summary>
    internal void Cleanup(Func<CancellationToken, Task> work)
    {
        var task = RunAsync();
        lock (_gate)
        {
            if (!task.IsCompleted)
                _cleanups.Add(task);
        }
        _ = task.ContinueWith(done =>
        {
            lock (_gate)
            {
                _cleanups.Remove(done);
                TellClean();
            }
        }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

        async Task RunAsync()
        {
            await Task.Yield();
            try
            {
                await work(_stop);
            }
            catch (SmbException)
            {
                // The link is over, and with it what was to be cleaned up; or the server refuses, and ends it with the session.
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                // The same, on this side.
            }
        }
    }
}
