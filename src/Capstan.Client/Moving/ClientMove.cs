using Capstan.Client.Configuration;
using Capstan.Client.Identity;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;

namespace Capstan.Client.Moving;

/// <summary>Where a client is to go.</summary>
/// <param name="Text">The text of <paramref name="Token"/>.</param>
/// <param name="Why">As <see cref="ChosenSite.Why"/>.</param>
/// <param name="Cap">As of an installation; null for none.</param>
internal sealed record MoveTarget(EnrolmentToken Token, string Text, string? Why, string? Cap);

/// <summary>What a person allows a move.</summary>
/// <param name="Patience">How long the site that is left may take to acknowledge; counted from the first step.</param>
internal sealed record MoveTerms(TimeSpan Patience, bool LeavesBehind);

/// <summary>Carries the plan of a move out: the shell around <see cref="MovePlanner"/>, on an opened client. One caller at a time; the client is closed after the last step.</summary>
internal sealed class ClientMove(ClientCore core, Ccim loop, ConnectionArbiter arbiter, MoveTarget target, MoveTerms terms, Action<string> tell, TimeProvider time)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1), LongestPause = TimeSpan.FromSeconds(10);

    private readonly string _from = core.SiteCode;
    private readonly TimeSpan _began = core.Clock.Now;
    private bool _isTargetSeen, _isContacted, _isStuck;
    private string? _problem;
    private TimeSpan _pause = FirstPause;

    /// <summary>Takes one step.</summary>
    /// <returns>How long to wait before the next; null when the client belongs to the new site.</returns>
    /// <exception cref="ClientException"><c>target_unseen</c>: the new site cannot be verified from here; <c>move_waits</c>: the old one has not acknowledged everything. The client is the old site's then.</exception>
    public async Task<TimeSpan?> StepAsync(CancellationToken cancellationToken)
    {
        var facts = Facts();
        switch (MovePlanner.Plan(facts))
        {
            case MoveStep.Done:
                return null;
            case MoveStep.Look:
                await LookAsync(cancellationToken);
                _isTargetSeen = true;
                return TimeSpan.Zero;
            case MoveStep.Depart:
                core.Spool.Put(ItemKind.Departure, Documents.Departure.Encode(new Departure { SiteCode = target.Token.SiteCode }));
                ClientLog.DepartureTold(core.Log, _from, target.Token.SiteCode);
                return TimeSpan.Zero;
            case MoveStep.Leave:
                await LeaveAsync(facts, cancellationToken);
                return TimeSpan.Zero;
            case MoveStep.GiveUp:
                throw GivenUp();
            case var contact:
                await ContactAsync(complete: contact == MoveStep.Deliver, cancellationToken);
                _isStuck = Facts() == facts;
                return _isStuck ? Pause() : TimeSpan.Zero;
        }
    }

    private MoveFacts Facts()
    {
        var items = core.Spool.Items().Where(item => item.Kind != ItemKind.ConfigurationRequest).ToList();
        var records = core.Spool.Records().Where(record => !record.IsRequest).ToList();
        // The newest record is the last word, or it is none: a site takes a goodbye back with whatever comes after it.
        var isWordGiven = items.Any(item => item.Kind == ItemKind.Departure) || (records.Count > 0 ? records[^1].Kinds.Contains(ItemKind.Departure) : core.State.Get(StateKey.Departed) is not null);
        return new MoveFacts
        {
            IsThere = core.SiteCode == target.Token.SiteCode,
            Lifecycle = core.Lifecycle,
            IsTargetSeen = _isTargetSeen,
            IsContacted = _isContacted,
            Items = !isWordGiven ? items.Count : core.Spool.UrgentItems() ? 1 : 0,
            Unwritten = records.Count(record => record.Attempts == 0),
            Unacknowledged = records.Count,
            IsWordGiven = isWordGiven,
            IsPatienceOver = _isStuck && core.Clock.Now - _began >= terms.Patience,
            LeavesBehind = terms.LeavesBehind,
        };
    }

    private async Task ContactAsync(bool complete, CancellationToken cancellationToken)
    {
        var report = await loop.ContactNowAsync(complete, cancellationToken);
        _isContacted |= report.Contacted;
        if (report.Problems.Count > 0 && report.Problems[0] != _problem)
            tell(report.Problems[0]);
        _problem = report.Problems.Count > 0 ? report.Problems[0] : null;
    }

    private async Task LeaveAsync(MoveFacts facts, CancellationToken cancellationToken)
    {
        if (LeftBehind.Text(core.Spool.Items(), core.Spool.Records()) is { } left && (facts.Unacknowledged > 0 || facts.Items > 0))
        {
            var text = $"Left behind, not acknowledged by site {_from}: {left}.";
            ClientLog.LeftBehind(core.Log, text);
            tell(text);
        }
        else if (facts.Lifecycle == ClientLifecycle.Approved)
            tell($"Site {_from} has acknowledged everything, and that this client leaves.");
        var before = core.Keys.Id;
        var id = await SiteChange.TakeAsync(core, target.Token, target.Text, target.Cap, target.Why is { } why ? $"{why}; moved from site {_from}" : $"moved from site {_from}", cancellationToken);
        ClientLog.Moved(core.Log, before.Value, _from, id.Value, target.Token.SiteCode);
    }

    private ClientException GivenUp()
    {
        var left = LeftBehind.Text(core.Spool.Items(), core.Spool.Records()) ?? "its last word";
        var cause = core.Lifecycle == ClientLifecycle.Installed ? $"site {_from} does not know this client now" : _problem ?? $"site {_from} has not taken it in; its server may be off";
        ClientLog.MoveWaits(core.Log, _from, left);
        return new ClientException($"nothing was moved: site {_from} has not acknowledged {left} ({cause}). Repeat the command, it goes on from here; --wait gives the site more time, --leave-behind goes without", "move_waits");
    }

    /// <summary>Verifies the new site by its token alone, in memory: what this client trusts now says nothing of it.</summary>
    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var token = target.Token;
        var export = $"CAP List for site {token.SiteCode}";
        var paths = (target.Cap is null ? token.Caps : [target.Cap, .. token.Caps]).Select(text => NalPath.TryParse(text, out var path, out _) ? path : null).OfType<NalPath>().Distinct().ToList();
        arbiter.SetExport(export, paths);
        foreach (var server in CapAccounts.Servers(paths))
            arbiter.SetAccounts(server, CapAccounts.For(server, token.Accounts ?? []));
        using var deadline = new CancellationTokenSource(Ccim.ContactDeadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var result = await arbiter.AcquireAsync(NalPath.Export(export), new LeasePurpose(ClientCore.Component), either.Token);
            if (!result.TryGetLease(out var lease, out var refusal))
                throw Unseen(refusal.Reason, null);
            await using (lease.ConfigureAwait(false))
            {
                var metadata = new TufClient(new CapSource(lease.Store), new MemoryTrustStore(), time);
                await metadata.TrustRootAsync(token.RootHash, token.RootVersion, either.Token);
                var update = await metadata.RefreshAsync(complete: true, either.Token);
                if (update.State == TufState.Stale)
                    throw Unseen(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"its metadata expired at {update.Expires:u}"), null);
                ClientLog.TargetSeen(core.Log, token.SiteCode, lease.Path.ToString());
                tell($"Site {token.SiteCode} was found at {lease.Path} and verified.");
            }
        }
        catch (Exception e) when (e is NalException or ProtocolException)
        {
            throw Unseen(e.Message, e);
        }
        catch (OperationCanceledException e) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Unseen($"its storage did not answer within {Ccim.ContactDeadline.TotalMinutes:F0} minutes", e);
        }
    }

    private ClientException Unseen(string cause, Exception? inner) =>
        new($"nothing was moved: site {target.Token.SiteCode} cannot be verified from here ({cause}); this client stays with site {_from}", "target_unseen", inner);

    private TimeSpan Pause()
    {
        var pause = Backoff.Min(_pause, Backoff.Max(TimeSpan.Zero, terms.Patience - (core.Clock.Now - _began)));
        _pause = Backoff.Min(LongestPause, _pause * 2);
        return pause;
    }
}
