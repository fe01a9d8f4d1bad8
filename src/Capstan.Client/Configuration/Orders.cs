using System.Globalization;
using System.Text;
using Capstan.Client.Identity;
using Capstan.Client.Programs;
using Capstan.Client.Spool;
using Capstan.Client.State;
using Capstan.Nal.Paths;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>Takes the site's orders from verified metadata: site description, CAP list, own policy. What is missing or wrong changes nothing.</summary>
internal sealed class Orders(ClientCore core, bool isComplete)
{
    private readonly List<string> _missing = [];

    /// <summary>What was refused, one line each, in the order of the documents; the status message joins them.</summary>
    public List<string> Problems { get; } = [];

    /// <summary>The CAP did not give a document as its metadata promises it, or gave one past its expiry: another CAP may have better.</summary>
    public bool IsCapDoubtful { get; private set; }

    /// <summary>Reads the documents and adopts each that holds. The documents do not depend on one another's success.</summary>
    /// <exception cref="Nal.NalException">The CAP failed while reading; what was adopted stays.</exception>
    public async Task AdoptAsync(TufClient metadata, long timestampVersion, CancellationToken cancellationToken)
    {
        await TakeAsync(metadata, Layout.SiteDescriptionTarget, Documents.SiteDescription.MaxBytes, AdoptSite, cancellationToken);
        await TakeAsync(metadata, Layout.CapListTarget, Documents.CapList.MaxBytes, AdoptCapList, cancellationToken);
        await TakeAsync(metadata, Layout.PolicyTarget(core.Keys.Id), Documents.Policy.MaxBytes, AdoptPolicy, cancellationToken);
        await TakeAsync(metadata, Layout.ClientBuildsTarget, Documents.ClientBuilds.MaxBytes, AdoptBuilds, cancellationToken);
        var advertisements = new AdvertisementOrders(core);
        await advertisements.AdoptAsync(metadata, cancellationToken);
        IsCapDoubtful |= advertisements.IsCapDoubtful;
        core.TellOrders();
        // One message a contact, in a fixed order: a lasting condition is the same text again, and so urgent once.
        if (_missing.Count > 0)
            core.Report("warning", StatusCode.PolicyMissing, string.Join("; ", _missing));
        if (Problems.Count > 0)
        {
            core.Report("error", StatusCode.PolicyInvalid, string.Join("; ", Problems));
            return;
        }
        if (_missing.Count == 0)
            core.Spool.Over(ClientCore.Component, StatusCode.PolicyMissing);
        core.Spool.Over(ClientCore.Component, StatusCode.PolicyInvalid);
        if (advertisements.IsRead)
            core.State.Set((StateKey.OrdersVersion, timestampVersion.ToString(CultureInfo.InvariantCulture)));
    }

    private async Task TakeAsync(TufClient metadata, string target, long maxBytes, Func<TufTarget, string?> adopt, CancellationToken cancellationToken)
    {
        TufTarget? found;
        try
        {
            found = await metadata.ReadTargetAsync(target, maxBytes, cancellationToken);
        }
        catch (ProtocolException e)
        {
            IsCapDoubtful = true;
            Refuse(e.Document ?? target, e.Message);
            return;
        }
        if (found is null)
            Missing(target);
        else if (found.IsStale)
        {
            IsCapDoubtful = true;
            Refuse(target, "the role that lists it has expired, so no new orders are taken from it");
        }
        else if (Adopt(found, adopt) is { } fault)
            Refuse(target, fault);
    }

    private static string? Adopt(TufTarget target, Func<TufTarget, string?> adopt)
    {
        try
        {
            return adopt(target);
        }
        catch (ProtocolException e)
        {
            return e.Message;
        }
    }

    private string? AdoptSite(TufTarget target)
    {
        var site = Documents.SiteDescription.Decode(target.Content.Span, target.Path);
        var before = core.Site;
        if (OrderRules.Fault(site, before, core.SiteCode) is { } fault)
            return fault;
        if (Unchanged(DocumentName.Site, target))
            return null;
        if (before is not null && site.Epoch > before.Epoch)
            // A restored site has forgotten what it once acknowledged: everything is sent in full again.
            core.State.ForgetReported();
        core.State.Adopt(DocumentName.Site, Stored(target));
        return null;
    }

    private string? AdoptCapList(TufTarget target)
    {
        var list = Documents.CapList.Decode(target.Content.Span, target.Path);
        if (OrderRules.Fault(list, core.SiteCode) is { } fault)
            return fault;
        if (Unchanged(DocumentName.CapList, target))
            return null;
        core.State.Adopt(DocumentName.CapList, Stored(target));
        ClientLog.CapListAdopted(core.Log, list.Caps.Count, target.RoleVersion);
        foreach (var cap in list.Caps)
            if (!NalPath.TryParse(cap.Path, out _, out var error))
                core.Report("warning", StatusCode.CapPathInvalid, $"the CAP list holds a path that this program cannot read (column {error.Column}: expected {error.Expected}); the other CAPs are used");
        return null;
    }

    private string? AdoptPolicy(TufTarget target)
    {
        var policy = Documents.Policy.Decode(target.Content.Span, target.Path);
        if (OrderRules.Fault(policy, core.SiteCode, core.Keys) is { } fault)
            return fault;
        var isSealedHere = OrderRules.HoldsSealingKey(policy, core.Keys);
        if (!isSealedHere)
        {
            SealingRotation.TellAgain(core, policy);
            // Before its approval a client sends requests only, and a request names the key, too.
            if (core.Lifecycle == ClientLifecycle.Installed)
                return OrderRules.OtherSealingKey;
            Problems.Add($"{target.Path}: {OrderRules.OtherSealingKey}");
        }
        // The same policy is news to a client that the site had forgotten meanwhile, and to one that could not obey it: what lasts is said again with each cycle.
        if (Unchanged(DocumentName.Policy, target) && core.State.Get(StateKey.Lifecycle) == policy.State
            && !(isComplete && (core.Spool.Lasts(ClientCore.Component, StatusCode.SecretsInvalid) || core.Spool.Lasts(ClientCore.Component, StatusCode.SettingIgnored))))
            return null;
        long? revision = null;
        var secrets = isSealedHere ? OpenSecrets(policy, target, out revision) : null;
        var before = core.Lifecycle;
        var returns = before == ClientLifecycle.Retired && policy.State == "approved";
        // A request that still waits has been answered; left in the spool it would be urgent for ever.
        if (secrets is not null)
        {
            // Before the policy: after a crash between the two, both are taken again.
            core.State.Adopt(DocumentName.Secrets, secrets, (StateKey.AccountsRevision, revision?.ToString(CultureInfo.InvariantCulture)));
            AccountFile.Remove(core.Directory);
        }
        var resync = policy.Resync is { } order && order > core.State.GetNumber(StateKey.ResyncOrder) ? policy.Resync : null;
        if (resync is not null)
            // Before the policy, as above.
            core.State.ForgetReported();
        core.State.Adopt(DocumentName.Policy, Stored(target), RecordSpool.DropRequest, (StateKey.Lifecycle, policy.State), (StateKey.RequestWanted, null),
            (StateKey.PolicyPrint, target.Sha256), (StateKey.SealingTold, isSealedHere ? null : core.State.Get(StateKey.SealingTold)), IdentityOrder.Entry(OrderRules.MeantHere(policy, core.Names)));
        ClientLog.PolicyAdopted(core.Log, target.RoleVersion, policy.State);
        ConfirmInWaitingHeartbeat();
        ObeySettings();
        if (resync is { } followed)
        {
            core.State.Set((StateKey.ResyncOrder, followed.ToString(CultureInfo.InvariantCulture)));
            ClientLog.ResyncWanted(core.Log, "everything");
        }
        if (returns)
        {
            core.State.ForgetReported();
            core.Report("warning", StatusCode.RetirementForgotten, $"site {core.SiteCode} had retired this client, and has approved it again in epoch {core.Site?.Epoch}: it was restored from a backup that "
                + "does not know the retirement. Retire it again, if that was meant");
        }
        if (policy.State == "approved" && before != ClientLifecycle.Approved)
            ClientLog.Approved(core.Log, core.SiteCode, policy.Certificate.Ordinal);
        if (policy.State == "retired" && before != ClientLifecycle.Retired)
            ClientLog.Retired(core.Log, core.SiteCode);
        return null;
    }

    /// <summary>A heartbeat that waits was made before this contact, and goes out with it: it says what holds now. Else the site would take a fleet that was off over a weekend for one that has not followed.</summary>
    private void ConfirmInWaitingHeartbeat()
    {
        var revision = core.State.GetNumber(StateKey.AccountsRevision);
        if (core.Spool.Amend(Documents.Heartbeat, heartbeat => heartbeat with { PolicyVersion = core.State.Document(DocumentName.Policy)!.Version, AccountsRevision = revision > 0 ? revision : null }))
            core.State.Set((StateKey.AccountsConfirmed, core.State.Get(StateKey.AccountsRevision)), (StateKey.PolicyConfirmed, core.State.Get(StateKey.PolicyPrint)));
    }

    private void ObeySettings()
    {
        var ignored = core.ApplySettings();
        if (ignored.Count == 0)
        {
            core.Spool.Over(ClientCore.Component, StatusCode.SettingIgnored);
            return;
        }
        var text = $"{string.Join("; ", ignored)}. {(ignored.Count == 1 ? "It has its default" : "They have their defaults")} here";
        ClientLog.SettingIgnored(core.Log, text);
        core.Report("warning", StatusCode.SettingIgnored, text);
    }

    private string? AdoptBuilds(TufTarget target)
    {
        var builds = Documents.ClientBuilds.Decode(target.Content.Span, target.Path);
        if (OrderRules.Fault(builds, core.State.Document(DocumentName.Builds, Documents.ClientBuilds), core.SiteCode) is { } fault)
            return fault;
        if (!Unchanged(DocumentName.Builds, target))
            core.State.Adopt(DocumentName.Builds, Stored(target));
        return null;
    }

    /// <summary>The secrets of a policy when this device can open them. Without, and when it cannot, the accounts that work stay.</summary>
    private StoredDocument? OpenSecrets(Policy policy, TufTarget target, out long? revision)
    {
        revision = null;
        if (policy.Secrets is not { } secrets)
            return null;
        try
        {
            var opened = CapAccounts.Open(secrets, core);
            revision = opened.Revision;
            ClientLog.AccountsAdopted(core.Log, opened.Accounts.Count, target.RoleVersion);
            core.Spool.Over(ClientCore.Component, StatusCode.SecretsInvalid);
            return new StoredDocument(target.RoleVersion, target.Sha256, Encoding.ASCII.GetBytes(secrets));
        }
        catch (ProtocolException e)
        {
            ClientLog.SecretsInvalid(core.Log, e.Message);
            core.Report("error", StatusCode.SecretsInvalid, $"{target.Path}: its secrets cannot be opened ({e.Message}); the connection accounts that were known stay in use");
            return null;
        }
    }

    private void Missing(string target)
    {
        // Before approval there is no policy; afterwards its absence is unknown, not an order.
        if (core.Lifecycle == ClientLifecycle.Installed && target.StartsWith("policy/", StringComparison.Ordinal))
            return;
        // A site that never ordered a build has no such document.
        if (target == Layout.ClientBuildsTarget && core.State.Document(DocumentName.Builds) is null)
            return;
        var text = $"{target} is not listed by the site's metadata; the last good one stays in force";
        ClientLog.OrderMissing(core.Log, target);
        _missing.Add(text);
    }

    private void Refuse(string document, string cause)
    {
        Problems.Add($"{document}: {cause}; the last good one stays in force");
        ClientLog.PolicyInvalid(core.Log, document, cause);
    }

    private bool Unchanged(string name, TufTarget target) =>
        core.State.Document(name) is { } stored && stored.Version == target.RoleVersion && string.Equals(stored.Sha256, target.Sha256, StringComparison.Ordinal);

    private static StoredDocument Stored(TufTarget target) => new(target.RoleVersion, target.Sha256, target.Content.ToArray());
}
