using Capstan.Client.Identity;
using Capstan.Client.Spool;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;


namespace Capstan.Client.Configuration;

/// <summary>One contact: a lease, what is done within it, and what the rest of the machine is told of it.</summary>
internal sealed partial class Ccim
{
    private async Task<CycleReport> ContactAsync(CyclePlan plan, Task<HostFacts>? host, List<string> problems, CancellationToken cancellationToken)
    {
        var caps = CapExport.Paths(_core);
        _arbiter.SetExport(Export, caps);
        CapBriefing.Tell(_core, _arbiter, caps, problems);
        _order.Prepare(CapExport.HasBoundaries(_core.CapList) ? await _components.AddressesAsync(cancellationToken) : []);
        LeaseResult result;
        try
        {
            result = await _arbiter.AcquireAsync(NalPath.Export(Export), new LeasePurpose(ClientCore.Component), cancellationToken);
        }
        catch (NalException e)
        {
            NoteUse(e.Trace, used: null, held: TimeSpan.Zero);
            return Unreachable(e.Message, problems);
        }
        if (!result.TryGetLease(out var lease, out var refusal))
        {
            NoteUse(refusal.Trace, used: null, held: TimeSpan.Zero);
            return Full(refusal, problems);
        }

        ContactReport report;
        NalPath cap;
        bool local;
        var began = _core.Clock.Now;
        await using (lease.ConfigureAwait(false))
        {
            cap = lease.Path;
            local = CapExport.IsLocal(cap);
            if (_memory.Reached())
                ClientLog.CapAccessible(_core.Log, cap.ToString());
            report = await WithinDeadlineAsync(new CapContact(_core, lease.Store, cap, host, _builds, _time), plan, cancellationToken);
        }
        NoteUse(lease.Trace, cap, _core.Clock.Now - began);
        problems.AddRange(report.Problems);
        _contactWasWhole = report.IsWhole;
        ForgetSecret();
        if (report.Failure is not null || report.IsDoubtful)
            _order.ServedBadly(cap);
        else
            _order.ServedWell(cap, plan.Complete);

        if (report.Failure is { } failure)
        {
            var pause = _memory.ContactFailed(local, _random);
            ClientLog.ContactIncomplete(_core.Log, cap.ToString(), failure, At(pause));
            Waiting($"the contact with {cap} ended early: {failure}", pause, reached: true);
        }
        else if (report.HeldBack is { } heldBack)
            // What waits in the spool may be urgent: without a pause the next contact would begin at once, and end the same way.
            Waiting(heldBack, _memory.ContactFailed(local, _random), reached: true);
        else
        {
            _memory.ContactDone(plan.Complete, cap, _random.NextDouble());
            var pause = NextContact();
            // What was met on the way is the cause that a person can do something about.
            var cause = report.Problems.Count > 0 ? report.Problems[0]
                : _core.Site is null ? $"{cap} does not list the description of site {_core.SiteCode}; let the site publish to it"
                : null;
            if (_core.Lifecycle != ClientLifecycle.Retired && cause is not null)
            {
                if (report.Problems.Count == 0)
                    problems.Add(cause);
                Waiting(cause, pause, reached: true);
            }
            else if (_core.Lifecycle == ClientLifecycle.Installed)
            {
                ClientLog.WaitForApproval(_core.Log, _core.SiteCode, _core.Keys.Id.Fingerprint);
                problems.Add(ApprovalText());
                Waiting(ApprovalText(), pause, reached: true);
            }
            else
            {
                _core.State.Set((StateKey.Waiting, _core.Lifecycle == ClientLifecycle.Retired ? $"site {_core.SiteCode} has retired this client; nothing is reported" : null),
                    (StateKey.NextContact, Stamp(pause)), (StateKey.LastContact, Stamp(TimeSpan.Zero)));
            }
        }
        return new CycleReport(Contacted: report.Failure is null, report.Uploaded, problems);
    }

    private void NoteUse(NalTrace? trace, NalPath? used, TimeSpan held)
    {
        _lastTrace = trace ?? _lastTrace;
        _core.CapUse.Note(CapUseRows.Of(_core.CapList, trace, used, held, _core.Clock.Wall - held));
    }

    /// <summary>Not an error, but a place in the queue: the state is named, nothing is held, and the site hears of it afterwards.</summary>
    private CycleReport Full(Refusal refusal, List<string> problems)
    {
        var pause = _memory.CapUnreachable(CapExport.AllLocal(_core), refusal.NextTry - _core.Clock.Wall, _random);
        ClientLog.WaitForCapAccess(_core.Log, $@"ABEXPRT:\\{Export}", refusal.Reason, At(pause));
        var state = CapacityWait.Text(refusal.Trace, _core.CapList);
        ClientLog.WaitForConnection(_core.Log, state, At(pause));
        problems.Add(refusal.Reason);
        Waiting(state, pause, reached: false, separator: ',');
        _core.Report("information", StatusCode.CapFull, state);
        return new CycleReport(Contacted: false, 0, problems);
    }

    private CycleReport Unreachable(string cause, List<string> problems)
    {
        var pause = _memory.CapUnreachable(CapExport.AllLocal(_core), hint: null, _random);
        if (_memory.IsAbsentTooLong())
        {
            pause = _memory.StayAway(_random);
            cause = $"{cause}; {SettingDefinition.LeaveAfter} of site {_core.SiteCode} has passed, so this client looks once a day only";
            ClientLog.StaysAway(_core.Log, _core.SiteCode, At(pause));
        }
        ClientLog.WaitForCapAccess(_core.Log, $@"ABEXPRT:\\{Export}", cause, At(pause));
        var text = $@"WaitForCAPAccess - abstract export ABEXPRT:\\{Export} not accessible: {cause}";
        problems.Add(text);
        Waiting(text, pause, reached: false);
        _core.Report("warning", StatusCode.CapUnreachable, text);
        return new CycleReport(Contacted: false, 0, problems);
    }

    private async Task<ContactReport> WithinDeadlineAsync(CapContact contact, CyclePlan plan, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(ContactDeadline, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await contact.RunAsync(plan, either.Token);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            var text = $"the storage did not finish within {ContactDeadline.TotalMinutes:F0} minutes; it may be a mount that hangs";
            return new ContactReport(0, text, HeldBack: null, [text], IsDoubtful: false);
        }
    }

    /// <summary>The one-time secret leaves the disk when the site has approved and holds the request.</summary>
    private void ForgetSecret()
    {
        if (_core.Lifecycle == ClientLifecycle.Installed || !EnrolmentSecret.Exists(_core.Directory))
            return;
        EnrolmentSecret.Remove(_core.Directory);
        _core.Database.Checkpoint();
    }

    private string ApprovalText() =>
        $"waiting for site {_core.SiteCode} to approve this client: the token decides, or a person with `capstan client approve` and the fingerprint {_core.Keys.Id.Fingerprint}";
}
