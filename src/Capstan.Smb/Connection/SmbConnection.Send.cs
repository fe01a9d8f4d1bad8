using System.Runtime.CompilerServices;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Connection;

public sealed partial class SmbConnection
{
    /// <summary>Frames after which whoever sends for others gives its thread back.</summary>
    private const int FramesPerTurn = 16;

    /// <summary>A large frame is handed over in pieces: each that the other side makes room for shows that it lives.</summary>
    private const int PieceBytes = 256 * 1024;

    private readonly Queue<Outgoing> _queue = new();
    private bool _isSending;
    private Task _draining = Task.CompletedTask;

    /// <summary>One request and its answer, whatever its status.</summary>
    /// <param name="orphaned">Undoes a success that nobody waits for any more.</param>
    /// <exception cref="SmbException">The link, the server's bytes, or the deadline.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<Response> CallAsync(Route route, SmbRequest request, Action<Response>? orphaned, CancellationToken cancellationToken)
    {
        var exchanges = await StartAsync(route, [request], orphaned, capture: false, cancellationToken);
        return await AwaitAsync(exchanges[0], exchanges, cancellationToken);
    }

    /// <summary>Related requests in one frame and their answers. The first opens a file, which the others use (<see cref="FileId.FromChain"/>).</summary>
    /// <param name="orphaned">As above, for the first.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<Response[]> ChainAsync(Route route, SmbRequest[] requests, Action<Response>? orphaned, CancellationToken cancellationToken)
    {
        var exchanges = await StartAsync(route, requests, orphaned, capture: false, cancellationToken);
        var answers = new Response[exchanges.Length];
        var count = 0;
        try
        {
            for (; count < answers.Length; count++)
                answers[count] = await AwaitAsync(exchanges[count], exchanges, cancellationToken);
            return answers;
        }
        catch
        {
            // What was answered before the failure belongs to nobody now.
            for (var i = 0; i < count; i++)
                Orphan(exchanges[i], answers[i]);
            foreach (var unseen in exchanges.Skip(count).Where(exchange => exchange.Answer.IsCompletedSuccessfully))
                Orphan(unseen, await unseen.Answer);
            throw;
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<Response> AwaitAsync(Exchange exchange, Exchange[] all, SmbConnection owner, CancellationToken cancellationToken)
    {
        if (exchange.Answer.IsCompleted || !cancellationToken.CanBeCanceled)
            return await exchange.Answer;
        using (cancellationToken.UnsafeRegister(static (state, token) =>
        {
            var (connection, exchanges) = ((SmbConnection, Exchange[]))state!;
            connection.Abandon(exchanges, pending => pending.TrySetCanceled(token));
        }, (owner, all)))
        {
            return await exchange.Answer;
        }
    }

    private ValueTask<Response> AwaitAsync(Exchange exchange, Exchange[] all, CancellationToken cancellationToken) =>
        AwaitAsync(exchange, all, this, cancellationToken);

    /// <summary>Sends a chain as soon as there are credits for all of it.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Exchange[]> StartAsync(Route route, SmbRequest[] requests, Action<Response>? orphaned, bool capture, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var deadline = Now + Ticks(_options.RequestTimeout);
        var exchanges = new Exchange[requests.Length];
        var total = 0;
        for (var i = 0; i < requests.Length; i++)
        {
            var charge = HasMultiCredit ? requests[i].CreditCharge : 1;
            total += charge;
            exchanges[i] = new Exchange(requests[i], route, charge, deadline) { Orphaned = i == 0 ? orphaned : null };
        }
        int wanted;
        CreditWindow.Waiter? waiter;
        lock (_gate)
        {
            ThrowIfEnded();
            wanted = Math.Max(_options.Credits - _credits.Total, 0);
            waiter = _credits.Take(total, deadline);
            if (waiter is not null)
                Arm();
        }
        if (waiter is not null)
            await WaitForCreditsAsync(waiter, cancellationToken);
        var sent = false;
        Outgoing? frame = null;
        try
        {
            frame = Outgoing.Of(route, requests, exchanges, HasMultiCredit, wanted);
            Enqueue(frame, capture);
            sent = true;
            return exchanges;
        }
        finally
        {
            if (!sent)
            {
                frame?.Return();
                lock (_gate)
                    _credits.Settle(total, total);
            }
        }
    }

    private async Task WaitForCreditsAsync(CreditWindow.Waiter waiter, CancellationToken cancellationToken)
    {
        try
        {
            await waiter.Granted.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            lock (_gate)
            {
                _credits.Leave(waiter);
                if (waiter.Granted.Task.IsCompletedSuccessfully)
                    _credits.Settle(waiter.Charge, waiter.Charge);
            }
            throw;
        }
    }

    /// <summary>Numbers the messages and puts the frame into the queue: ids and the order of sending are one.</summary>
    private void Enqueue(Outgoing frame, bool capture)
    {
        lock (_gate)
        {
            ThrowIfEnded();
            foreach (var exchange in frame.Exchanges)
            {
                exchange.MessageId = _nextMessageId;
                _nextMessageId += (ulong)exchange.Charge;
                _pending.Add(exchange.MessageId, exchange);
            }
            frame.Number(capture);
            _queue.Enqueue(frame);
            Arm();
        }
        Drain();
    }

    private void Drain()
    {
        lock (_gate)
        {
            if (_isSending)
                return;
            _isSending = true;
            // Known before it runs, so that whoever closes can wait for it.
            _draining = DrainAsync();
        }
    }

    private async Task DrainAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        for (var count = 1; ; count++)
        {
            Outgoing? frame;
            lock (_gate)
            {
                if (!_queue.TryDequeue(out frame))
                {
                    _isSending = false;
                    return;
                }
                foreach (var exchange in frame.Exchanges)
                    exchange.IsSent = _end is null || exchange.IsSent;
            }
            try
            {
                if (EndCause is null)
                {
                    frame.Seal();
                    var rest = frame.Memory;
                    for (; rest.Length > PieceBytes; rest = rest[PieceBytes..])
                    {
                        await _stream.WriteAsync(rest[..PieceBytes], _stop);
                        Heard();
                    }
                    await _stream.WriteAsync(rest, _stop);
                }
            }
            catch (Exception cause) when (cause is IOException or ObjectDisposedException or OperationCanceledException)
            {
                End(Broken(cause));
            }
            catch (Exception cause)
            {
                // A defect of ours ends the link: whoever waits is told now, and not by a deadline.
                End(new SmbException(SmbFailure.Lost, $"sending to {Endpoint} failed: {cause.Message}", SmbCompletion.Unknown, inner: cause));
            }
            finally
            {
                frame.Return();
            }
            if (count % FramesPerTurn == 0)
                await Task.Yield();
        }
    }

    /// <summary>Whether a chain that costs this can be sent at all without credits that may never come.</summary>
    internal bool CanAfford(SmbRequest[] requests)
    {
        var charge = 0;
        foreach (var request in requests)
            charge += HasMultiCredit ? request.CreditCharge : 1;
        lock (_gate)
            return charge <= _credits.Total;
    }

    /// <summary>Nobody waits for these any more: those under way are cancelled at the server, and their answers cleaned up after.</summary>
    private void Abandon(IEnumerable<Exchange> exchanges, Func<Exchange, bool> settle)
    {
        foreach (var exchange in exchanges)
        {
            lock (_gate)
            {
                if (!_pending.ContainsKey(exchange.MessageId) || exchange.IsAbandoned || !settle(exchange))
                    continue;
                exchange.IsAbandoned = true;
                // Between requests and not on a session's account: CANCEL has no id and no credit of its own.
                if (_end is null && exchange.Command != SmbCommand.Negotiate && exchange.Command != SmbCommand.SessionSetup)
                    _queue.Enqueue(Outgoing.Cancel(exchange));
            }
        }
        Drain();
    }

    /// <summary>An answer that nobody waits for.</summary>
    private static void Orphan(Exchange exchange, Response answer)
    {
        if (exchange.Orphaned is { } undo && !answer.Status.IsError)
            undo(answer);
        else
            answer.Dispose();
    }
}
