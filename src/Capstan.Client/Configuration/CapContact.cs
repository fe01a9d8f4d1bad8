using Capstan.Client.Identity;
using Capstan.Client.Spool;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>What one contact with a CAP came to.</summary>
/// <param name="Failure">Why the storage failed on the way; null when it served to the end.</param>
/// <param name="Problems">One line each, the failure included.</param>
/// <param name="Wanted">Kinds that the site wants in full.</param>
internal sealed record ContactReport(int Uploaded, string? Failure, IReadOnlyList<string> Problems, IReadOnlyList<string> Wanted);

/// <summary>The work of one lease: verify metadata, take orders, read receipts, upload. Each part is tried even if one before it failed.</summary>
internal sealed class CapContact(ClientCore core, IStore store, bool localStorage, Func<HostFacts> host, TimeProvider time)
{
    private readonly List<string> _problems = [];
    private string? _failure;

    public async Task<ContactReport> RunAsync(CyclePlan plan, CancellationToken cancellationToken)
    {
        await PartAsync(() => VerifyAsync(plan, cancellationToken));

        var wanted = await ReceiptsAsync(plan, cancellationToken);

        var uploaded = 0;
        if (core.Site is { } site && core.Lifecycle != ClientLifecycle.Retired)
        {
            await RequestEnrolmentAsync(cancellationToken);
            var flush = plan.Complete || plan.Heartbeat || plan.Inventory;
            await PartAsync(async () => uploaded = await new Uploader(core, store, localStorage).UploadAsync(site, flush, cancellationToken));
        }
        return new ContactReport(uploaded, _failure, _problems, wanted);
    }

    private async Task VerifyAsync(CyclePlan plan, CancellationToken cancellationToken)
    {
        var metadata = new TufClient(new CapSource(store), core.Trust, time);
        try
        {
            if (await core.Trust.LoadAsync("root", cancellationToken) is null)
            {
                var token = await EnrolmentSecret.LoadAsync(core.Directory, cancellationToken)
                    ?? throw new ClientException($"the enrolment token in {core.Directory} is gone before the site was reached; run capstan-client install --token T again", "not_installed");
                await metadata.TrustRootAsync(token.RootHash, token.RootVersion, cancellationToken);
            }
            var update = await metadata.RefreshAsync(plan.Complete, cancellationToken);
            if (update.State == TufState.Stale)
            {
                Expired(update);
                return;
            }
            core.Spool.Over(ClientCore.Component, StatusCode.PolicyExpired);
            if (!plan.Complete && update.TimestampVersion == core.State.GetNumber(StateKey.OrdersVersion))
            {
                core.Spool.Over(ClientCore.Component, StatusCode.PolicyInvalid);
                return;
            }
            var orders = new Orders(core);
            await orders.AdoptAsync(metadata, update.TimestampVersion, cancellationToken);
            _problems.AddRange(orders.Problems);
        }
        catch (ProtocolException e)
        {
            Invalid(e);
        }
    }

    private async Task<IReadOnlyList<string>> ReceiptsAsync(CyclePlan plan, CancellationToken cancellationToken)
    {
        if (!plan.ReadReceipts || core.Site is not { } site)
            return [];
        var receipts = new ReceiptReader(core, store);
        await PartAsync(() => receipts.ReadAsync(site, cancellationToken));
        if (receipts.Problem is { } problem)
            _problems.Add(problem);
        return receipts.Wanted;
    }

    /// <summary>Puts the configuration request into the spool, once for each token.</summary>
    private async Task RequestEnrolmentAsync(CancellationToken cancellationToken)
    {
        if (core.Lifecycle != ClientLifecycle.Installed || core.State.Get(StateKey.RequestWanted) is null)
            return;
        var token = await EnrolmentSecret.LoadAsync(core.Directory, cancellationToken)
            ?? throw new ClientException($"the enrolment token in {core.Directory} is gone before it was used; run capstan-client install --token T again", "not_installed");
        var facts = host();
        core.Spool.PutRequest(new ConfigurationRequest
        {
            TokenId = token.TokenId,
            TokenSecret = token.Secret,
            SigningKey = core.Keys.SigningJwk,
            SealingKey = core.Keys.SealingJwk,
            HostName = facts.HostName,
            OperatingSystem = facts.OperatingSystem,
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
