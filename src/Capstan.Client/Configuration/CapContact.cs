using Capstan.Client.Builds;
using Capstan.Client.Identity;
using Capstan.Client.Spool;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>What one contact with a CAP came to.</summary>
/// <param name="Failure">Why the storage failed on the way; null when it served to the end.</param>
/// <param name="HeldBack">Why an approved client could not report although the storage served; null when it could.</param>
/// <param name="Problems">One line each, those two included.</param>
/// <param name="IsDoubtful">Something was missing, expired or not acceptable: another CAP may have better.</param>
internal sealed record ContactReport(int Uploaded, string? Failure, string? HeldBack, IReadOnlyList<string> Problems, bool IsDoubtful)
{
    /// <summary>The complete workflow verified the metadata.</summary>
    public bool IsVerified { get; init; }

    /// <summary>It verified, and left nothing undone: what a build on trial must show.</summary>
    public bool IsWhole => IsVerified && Failure is null && HeldBack is null;
}

/// <summary>The work of one lease: verify metadata, take orders, read receipts, upload. Each part is tried even if one before it failed.</summary>
/// <param name="cap">Where <paramref name="store"/> is.</param>
/// <param name="host">For a configuration request: read, or failed, before the lease. Null when none is wanted.</param>
/// <param name="builds">Null where builds are not managed.</param>
internal sealed class CapContact(ClientCore core, IStore store, NalPath cap, Task<HostFacts>? host, BuildKeeper? builds, TimeProvider time)
{
    private static readonly StorePath s_metadata = StorePath.Parse(Layout.Metadata);

    private readonly List<string> _problems = [];
    private string? _failure, _heldBack;
    private bool _isDoubtful, _isVerified;
    private TufClient? _verified;

    /// <summary>Nothing is written below a root that is no CAP: an unmounted share, or another directory.</summary>
    private bool _mayWrite = true;

    public async Task<ContactReport> RunAsync(CyclePlan plan, CancellationToken cancellationToken)
    {
        await PartAsync(() => VerifyAsync(plan, cancellationToken));
        var uploaded = 0;
        // Told to make an identity of its own: what it has to say, it says under that.
        if (_mayWrite && IdentityOrder.Of(core.State) is null)
        {
            var chainKnown = await ReceiptsAsync(plan, cancellationToken);
            if (core.Site is null && core.Lifecycle == ClientLifecycle.Approved)
                HoldBack($"the description of site {core.SiteCode} is missing, without which nothing can be sent; let the site publish again");
            else if (chainKnown && core.Site is { } site && core.Lifecycle != ClientLifecycle.Retired)
            {
                await RequestEnrolmentAsync(cancellationToken);
                var flush = plan.Complete || plan.Heartbeat || plan.Inventory;
                var uploader = new Uploader(core, store, CapExport.IsLocal(cap));
                await PartAsync(async () => uploaded = await uploader.UploadAsync(site, flush, cancellationToken));
            }
        }
        // Last: reports are worth more than a new build, and a long download has its end by itself.
        await PartAsync(() => FetchBuildAsync(plan, cancellationToken));
        return new ContactReport(uploaded, _failure, _heldBack, _problems, _isDoubtful) { IsVerified = _isVerified && plan.Complete };
    }

    private async Task FetchBuildAsync(CyclePlan plan, CancellationToken cancellationToken)
    {
        if (builds is not null && _verified is { } metadata && core.Lifecycle == ClientLifecycle.Approved)
            _isDoubtful |= await builds.FetchAsync(metadata, store, cap, plan.Complete, _problems, time, cancellationToken);
    }

    private void HoldBack(string cause)
    {
        _heldBack = cause;
        _isDoubtful = true;
        _problems.Add(cause);
    }

    private async Task VerifyAsync(CyclePlan plan, CancellationToken cancellationToken)
    {
        var metadata = new TufClient(new CapSource(store), core.Trust, time, core.Verified);
        try
        {
            if (await core.Trust.LoadAsync("root", cancellationToken) is null)
            {
                var token = await EnrolmentSecret.LoadAsync(core.Directory, cancellationToken)
                    ?? throw new ClientException($"the enrolment token in {core.Directory} is gone before the site was reached; run capstan-client install --token-file F again", "not_installed");
                await metadata.TrustRootAsync(token.RootHash, token.RootVersion, cancellationToken);
            }
            var update = await metadata.RefreshAsync(plan.Complete, cancellationToken);
            _verified = metadata;
            _isVerified = true;
            if (update.State == TufState.Stale)
            {
                // One CAP may be frozen while another goes on.
                _isDoubtful = true;
                Expired(update);
                return;
            }
            core.Spool.Over(ClientCore.Component, StatusCode.PolicyExpired);
            if (!plan.Complete && update.TimestampVersion == core.State.GetNumber(StateKey.OrdersVersion))
            {
                core.Spool.Over(ClientCore.Component, StatusCode.PolicyInvalid);
                return;
            }
            var orders = new Orders(core, plan.Complete);
            await orders.AdoptAsync(metadata, update.TimestampVersion, cancellationToken);
            _problems.AddRange(orders.Problems);
            _isDoubtful |= orders.IsCapDoubtful;
        }
        catch (ProtocolException e)
        {
            _isDoubtful = true;
            Invalid(e);
            if (e.Error != ProtocolError.Missing)
                return;
            _mayWrite = false;
            if (await store.StatAsync(s_metadata, cancellationToken) is null)
                throw new NalException(NalError.NotFound, $"there is no folder '{Layout.Metadata}': this is not a client access point, its storage is not mounted, "
                    + "or the site has not published to it; nothing is written there", Layout.Metadata, isTransient: true);
            _mayWrite = true;
        }
    }

    /// <returns>False when this client may not add to its chain, because it has lost its state and the site's has not been seen.</returns>
    private async Task<bool> ReceiptsAsync(CyclePlan plan, CancellationToken cancellationToken)
    {
        // A client asks with its first record, so one that has made none and yet is approved has made it in a life before.
        var isNew = core.State.GetNumber(StateKey.Sequence) == 0;
        var site = core.Site;
        // What the restored site has of this chain decides what is sent again, and under which numbers.
        var isBehind = site is not null && core.Lifecycle != ClientLifecycle.Retired
            && (core.Spool.IsBehind(site.Epoch) || core.Spool.Records().Any(record => record.Attempts > 0 && site.SealingKeyFor(record.Recipient) is null));
        if (site is null || !plan.ReadReceipts && !isNew && !isBehind)
            return true;
        var receipts = new ReceiptReader(core, store, cap);
        await PartAsync(() => receipts.ReadAsync(site, cancellationToken));
        if (receipts.Problem is { } problem)
            _problems.Add(problem);
        if (receipts.IsRead || !isBehind && (!isNew || core.Lifecycle != ClientLifecycle.Approved))
            return true;
        HoldBack(isBehind
            ? $"site {core.SiteCode} {(core.Spool.IsBehind(site.Epoch) ? $"was restored from a backup (epoch {site.Epoch})" : "has replaced its keys")}, and this CAP does not show yet how far it has this client's records; they are sent as soon as it does"
            : "this client has lost its state and waits for the site's receipts, to go on with the records that the site has");
        return false;
    }

    /// <summary>Puts the configuration request into the spool, once for each token.</summary>
    private async Task RequestEnrolmentAsync(CancellationToken cancellationToken)
    {
        if (host is null || core.Lifecycle != ClientLifecycle.Installed)
            return;
        // Without one it was a client once that its site has forgotten, and its token is used up: a person decides, or the identity that it had.
        var token = await EnrolmentSecret.LoadAsync(core.Directory, cancellationToken);
        var facts = await host;
        core.Spool.PutRequest(new ConfigurationRequest
        {
            TokenId = token?.TokenId ?? ConfigurationRequest.NoToken,
            TokenSecret = token?.Secret ?? ConfigurationRequest.NoToken,
            Former = NewIdentity.Former(core.State),
            SigningKey = core.Keys.SigningJwk,
            SealingKey = core.Keys.SealingJwk,
            HostName = ClientCore.Clip(facts.HostName),
            OperatingSystem = ClientCore.Clip(facts.OperatingSystem),
            ClientVersion = ClientParts.Version,
        });
    }

    /// <summary>The storage's failures end this part; the others are still tried, since another part may need another right.</summary>
    private async Task PartAsync(Func<Task> part)
    {
        try
        {
            await part();
        }
        catch (NalException e)
        {
            _failure ??= e.Message;
            _problems.Add(e.Message);
        }
        catch (ProtocolException e)
        {
            _failure ??= e.Message;
            _problems.Add(e.Message);
        }
    }

    private void Expired(TufUpdate update)
    {
        ClientLog.PolicyExpired(core.Log, update.Expires);
        var text = $"the site's metadata expired at {update.Expires:u}; no new orders are taken, reports go on. Let the site publish again, or check this machine's clock";
        _problems.Add(text);
        core.Report("warning", StatusCode.PolicyExpired, text);
    }

    private void Invalid(ProtocolException e)
    {
        var document = e.Document ?? "metadata";
        ClientLog.PolicyInvalid(core.Log, document, e.Message);
        var text = $"{document}: {e.Message}; the last good state stays in force";
        _problems.Add(text);
        core.Report("error", StatusCode.PolicyInvalid, text);
    }
}
