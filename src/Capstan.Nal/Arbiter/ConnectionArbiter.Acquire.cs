using System.Globalization;
using Capstan.Nal.Arbiter.Core;
using Capstan.Nal.Arbiter.Journal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Selection;

namespace Capstan.Nal.Arbiter;

public sealed partial class ConnectionArbiter
{
    /// <summary>One request on its way through the candidates. Not thread-safe; used once.</summary>
    private sealed class Acquisition(ConnectionArbiter arbiter, NalPath requested, LeasePurpose purpose, TimeSpan wait)
    {
        private static readonly TimeSpan LeastShare = TimeSpan.FromSeconds(5);

        private readonly TimeSpan _started = arbiter.Now;
        private readonly TimeSpan _deadline = arbiter.Now + (wait > TimeSpan.Zero ? wait : DefaultWait);
        private readonly List<Trial> _trials = [];
        private readonly Dictionary<string, (IReadOnlyList<ConnectionAccount?> Accounts, NalException? Stopped)> _accounts = new(StringComparer.Ordinal);
        /// <summary>Logons that a server refused in this request: not tried again on its other paths, since that could lock the account.</summary>
        private readonly Dictionary<(string? Server, string Account), NalException> _refusedLogons = [];

        public async Task<LeaseResult> RunAsync(CancellationToken cancellationToken)
        {
            Resolve();
            // With alternatives a busy server is passed over first: a free equal is better than a place in a queue.
            var patient = wait > TimeSpan.Zero;
            for (var i = 0; i < _trials.Count; i++)
            {
                if (i > 0 && arbiter.Now >= _deadline)
                {
                    _trials[i].Skip("not tried, because the wait was over");
                    continue;
                }
                if (await TryAsync(_trials[i], mayQueue: patient && _trials.Count == 1, Share(_trials.Count - i), cancellationToken) is { } lease)
                    return new LeaseResult(lease);
            }
            if (patient && _trials.Count > 1 && (_trials.Find(trial => trial.Refusal?.Kind == RefusalKind.Busy) ?? EarliestFull()) is { } busy
                && await TryAsync(busy, mayQueue: true, _deadline, cancellationToken) is { } late)
            {
                return new LeaseResult(late);
            }
            return _trials.Exists(trial => trial.Outcome.Length > 0 && trial.IsCapacity) ? new LeaseResult(Refuse()) : throw Fail();
        }

        /// <summary>Of the servers that are full, the one that is asked again first, if that is in time.</summary>
        private Trial? EarliestFull() => !purpose.AsksFullServerAgain ? null : _trials.Where(trial => trial.RetryAt < _deadline).MinBy(trial => trial.RetryAt);

        /// <summary>When the present candidate must have answered: each has an equal part of the time that is left, so that one silent server does not use it up;
        /// but at least 5 s of it, so that with many silent ones the last are not tried.</summary>
        private TimeSpan Share(int candidatesLeft)
        {
            var now = arbiter.Now;
            var share = (_deadline - now) / candidatesLeft;
            return share > LeastShare ? now + share : now + LeastShare < _deadline ? now + LeastShare : _deadline;
        }

        private void Resolve()
        {
            try
            {
                _trials.AddRange(arbiter.Rank(arbiter._exports.Resolve(requested), purpose).Select(ranked => new Trial(ranked)));
            }
            catch (NalException unresolved)
            {
                throw new NalException(unresolved.Error, unresolved.Message, unresolved.Path, Completion.NotSent, unresolved.IsTransient) { Trace = Trace(nextTry: null) };
            }
        }

        private async Task<Lease?> TryAsync(Trial trial, bool mayQueue, TimeSpan deadline, CancellationToken cancellationToken)
        {
            var path = trial.Ranked.Path;
            if (!arbiter._providers.TryGetValue(path.Provider, out var provider))
            {
                trial.Set(NalError.Resolve, path.Provider == "NWNDS"
                    ? @"directory-services login is not implemented: give the server a bindery context and name the volume by its server, as NWBIND:\\SERVER\VOLUME\"
                    : $"this build does not speak {path.Provider} yet (it speaks {string.Join(", ", arbiter._providers.Keys.Order(StringComparer.Ordinal))})");
                return null;
            }
            var (accounts, stopped) = Accounts(provider, path);
            if (stopped is not null)
                trial.Set(stopped);
            foreach (var account in accounts)
            {
                if (!trial.Try(account))
                    continue;
                var key = arbiter.KeyOf(provider, path, account);
                if (_refusedLogons.TryGetValue((key.Server, key.Account), out var before))
                    trial.Set(before);
                else if (await TryAsync(trial, key, account, mayQueue, deadline, cancellationToken) is { } lease)
                    return lease;
                if (!trial.IsAccounts)
                    return null;
            }
            return null;
        }

        /// <summary>As they were when this request first came to the server: what is refused on one of its paths is told on the others, too.</summary>
        private (IReadOnlyList<ConnectionAccount?> Accounts, NalException? Stopped) Accounts(IStorageProvider provider, NalPath path)
        {
            var server = arbiter.KeyOf(provider, path, account: null).Show;
            if (!_accounts.TryGetValue(server, out var known))
            {
                known = (arbiter.Candidates(provider, path, purpose, out var stopped), stopped);
                _accounts.Add(server, known);
            }
            return known;
        }

        private async Task<Lease?> TryAsync(Trial trial, ConnectionKey key, ConnectionAccount? account, bool mayQueue, TimeSpan deadline, CancellationToken cancellationToken)
        {
            var path = trial.Ranked.Path;
            if (arbiter.FullNow(path) is { } full)
            {
                trial.Set(full.Cause, full.RetryAt);
                return null;
            }
            var request = arbiter.NextRequest();
            var outcome = await arbiter.HoldAsync(request, key, path, account, purpose, mayQueue, deadline, cancellationToken);
            if (outcome.Refused is { } refused)
            {
                trial.Set(refused, RefusalText(refused, key, outcome.Failed));
                // Nothing was tried: it may stand in the queue afterwards.
                trial.Withdraw(account);
                return null;
            }
            if (outcome.Failed is { } failed)
            {
                if (failed.Error == NalError.Authenticate)
                    _refusedLogons[(key.Server, key.Account)] = failed;
                trial.Set(failed);
                trial.BlockedUntil = arbiter.Now + failed.RetryAfter;
                return null;
            }
            return await OpenAsync(trial, request, key, path, deadline, cancellationToken);
        }

        private async Task<Lease?> OpenAsync(Trial trial, long request, ConnectionKey key, NalPath path, TimeSpan deadline, CancellationToken cancellationToken)
        {
            var kept = false;
            var left = deadline - arbiter.Now;
            using var late = new CancellationTokenSource(left > TimeSpan.FromMilliseconds(1) ? left : TimeSpan.FromMilliseconds(1), arbiter._time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
            try
            {
                var store = await arbiter.OpenStoreAsync(request, key, path, either.Token);
                kept = true;
                arbiter.ShareOpened(path);
                trial.SetUsed();
                arbiter.LeaseGranted(path, purpose.Component, request);
                return new Lease(path, store, Trace(nextTry: null), async () =>
                {
                    await arbiter.GiveBackAsync(key, request);
                    arbiter.LeaseReturned(path, purpose.Component, request);
                });
            }
            catch (NalException failure)
            {
                trial.Set(failure, arbiter.ShareRefused(key, path, failure));
                return null;
            }
            catch (OperationCanceledException) when (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                var waited = string.Create(CultureInfo.InvariantCulture, $"{(arbiter.Now - _started).TotalSeconds:F1} s");
                trial.Set(new NalException(NalError.Connect, $"{path} did not open within {waited}; it may be a mount that hangs, or a server that does not answer",
                    path.ToString(), Completion.Unknown, isTransient: true, key.Server));
                return null;
            }
            finally
            {
                if (!kept)
                    await arbiter.GiveBackAsync(key, request);
            }
        }

        private Refusal Refuse()
        {
            TimeSpan pause;
            lock (arbiter._gate)
                pause = _trials.Min(trial => trial.NextTry) - arbiter.Now ?? arbiter._options.RetryAfter * (0.5 + arbiter._random.NextDouble());
            var nextTry = arbiter._time.GetUtcNow() + (pause > TimeSpan.Zero ? pause : TimeSpan.Zero);
            var reason = string.Create(CultureInfo.InvariantCulture, $"{Subject} not accessible: {Causes()}; next try {nextTry:HH:mm:ss}");
            arbiter.Refused(purpose.Component, reason);
            return new Refusal(reason, nextTry, Trace(nextTry));
        }

        private NalException Fail()
        {
            var errors = _trials.Select(trial => trial.Error).Where(error => error is not null).Distinct().ToArray();
            var first = _trials[0].Cause;
            var message = $"{Subject} not accessible: {Causes()}";
            arbiter.NotAccessible(purpose.Component, message);
            return new NalException(errors is [{ } one] ? one : NalError.Resolve, message, requested.ToString(),
                _trials.Count == 1 && first is not null ? first.Completion : Completion.NotSent,
                _trials.Exists(trial => trial.IsTransient),
                _trials.Count == 1 ? first?.Server : null, _trials.Count == 1 ? first?.Code : null, first)
            {
                Trace = Trace(nextTry: null),
            };
        }

        private string Subject => requested.IsExport ? $"abstract export {requested}" : requested.ToString();

        private string Causes() => requested.IsExport
            ? string.Join("; ", _trials.Select(trial => $"{trial.Ranked.Path}: {trial.Outcome}"))
            : _trials[0].Outcome;

        private NalTrace Trace(DateTimeOffset? nextTry) => new(requested.ToString(),
            _trials.Select(trial => new NalTraceCandidate(trial.Ranked.Path.ToString(), trial.Ranked.Why, trial.Accounts,
                trial.Outcome.Length > 0 ? trial.Outcome : "not tried", trial.Error)).ToArray(),
            arbiter.Now - _started, nextTry);

        private string RefusalText(ArbiterAction.Refuse refused, ConnectionKey key, NalException? full)
        {
            var (server, reading) = (key.Show, refused.Reading);
            if (refused.Kind == RefusalKind.ServerFull && full is not null)
                return full.Message;
            var holders = reading.Holders.Count > 0 ? $"held by {string.Join(", ", reading.Holders)}"
                : key.Server is null || arbiter._keeper.OthersAt(key.Server) is not { Count: > 0 } others ? "none in use"
                : $"held by {string.Join(", ", others.Select(Holder).Distinct(StringComparer.Ordinal))}";
            var slots = string.Create(CultureInfo.InvariantCulture, $"{reading.Used} of {reading.Limit} {holders}, {reading.Waiting} waiting");
            var waited = string.Create(CultureInfo.InvariantCulture, $"waited {reading.Waited.TotalSeconds:F1} s");
            return refused.Kind switch
            {
                RefusalKind.Busy => $"no slot on {server} is free ({slots})",
                RefusalKind.QueueFull => $"the queue for a slot on {server} is full ({slots})",
                RefusalKind.WaitedForSlot => $"{waited} for a slot on {server} ({slots})",
                RefusalKind.ServerFull => $"{waited} for server {server}, which is full",
                _ => $"{waited} for an answer of {server}; it goes on being tried",
            };
        }

        private static string Holder(ConnectionRecord record) => string.Create(CultureInfo.InvariantCulture,
            $"{(record.Holders.Count > 0 ? string.Join(" and ", record.Holders) : record.State)} of process {record.Process}");
    }

    /// <summary>One candidate and what became of it.</summary>
    private sealed class Trial(RankedPath ranked)
    {
        private TimeSpan? _shareRetryAt;

        public RankedPath Ranked => ranked;
        public string Outcome { get; private set; } = "";
        public NalError? Error { get; private set; }
        public NalException? Cause { get; private set; }
        public ArbiterAction.Refuse? Refusal { get; private set; }

        /// <summary>When a server that is full is asked again, by the monotonic clock; null for every other outcome.</summary>
        public TimeSpan? RetryAt => Refusal?.Reading.RetryAt;

        /// <summary>When what is in the way of this candidate is gone by itself, by the monotonic clock; null where that is not known.</summary>
        public TimeSpan? BlockedUntil { get; set; }

        /// <summary>When this candidate is asked again, by the monotonic clock: the server, the share that is full on a server which is not, or a slot that is blocked. Null for every other outcome.</summary>
        public TimeSpan? NextTry => RetryAt ?? _shareRetryAt ?? BlockedUntil;

        /// <summary>Names of the accounts tried, in that order.</summary>
        public List<string> Accounts { get; } = [];

        /// <summary>Another account may do what this one may not.</summary>
        public bool IsAccounts => Error is NalError.Authenticate or NalError.AccessDenied;

        /// <summary>Busy here or full there: a matter of time, not an error. A server that does not answer is not known to be full.</summary>
        public bool IsCapacity => Error is NalError.WaitForSlot or NalError.ServerFull;

        public bool IsTransient => Cause?.IsTransient ?? Refusal is not null;

        public void Skip(string outcome) => Outcome = outcome;

        /// <summary>False when this account was tried before.</summary>
        public bool Try(ConnectionAccount? account)
        {
            if (account is null)
                return true;
            if (Accounts.Contains(account.Name, StringComparer.OrdinalIgnoreCase))
                return false;
            Accounts.Add(account.Name);
            return true;
        }

        public void Withdraw(ConnectionAccount? account)
        {
            if (account is not null)
                Accounts.Remove(account.Name);
        }

        public void SetUsed()
        {
            Outcome = "used";
            Error = null;
        }

        public void Set(NalError error, string outcome)
        {
            Error = error;
            Outcome = outcome;
        }

        /// <summary>What each account met is told, one after the other; the last one's class counts.</summary>
        /// <param name="shareRetryAt">When a share that is full is asked again; null for another cause.</param>
        public void Set(NalException cause, TimeSpan? shareRetryAt = null)
        {
            _shareRetryAt = shareRetryAt;
            var before = Accounts.Count > 1 && Cause is not null && IsAccounts ? $"{Outcome}; " : "";
            Cause = cause;
            Set(cause.Error, before + cause.Message);
        }

        public void Set(ArbiterAction.Refuse refusal, string outcome)
        {
            Refusal = refusal;
            Set(refusal.Kind switch
            {
                RefusalKind.WaitedForAnswer => NalError.Connect,
                RefusalKind.ServerFull => NalError.ServerFull,
                _ => NalError.WaitForSlot,
            }, outcome);
        }
    }
}
