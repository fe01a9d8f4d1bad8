using System.Data.Common;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Site.Load;

/// <summary>Registers, approves and retires devices. The key is the identity: host names and addresses decide nothing.</summary>
internal sealed class Enrolment(SiteContext site, Publisher publisher)
{
    /// <summary>Devices that may wait for an approval; further requests without a good token stay in the inbox.</summary>
    public const int MaxPending = 1_000;

    /// <summary>Of one bin, whose receipts name them all: ids can be made to fall into one bin on purpose.</summary>
    public const int MaxPendingOfBin = 32;

    private const int ShownCopies = 20;

    /// <summary>How long a request waits for an approval; then it is forgotten, which receipts show, and a client that still runs asks again.</summary>
    public static readonly TimeSpan PendingLimit = TimeSpan.FromDays(7);

    /// <summary>Registers the device when it is new, and approves it when the token is good. One that waits already waits from now on.</summary>
    /// <returns>False when too many devices wait already.</returns>
    public static async Task<bool> RequestAsync(DbTransaction transaction, string siteCode, DeviceId id, string installNonce, ConfigurationRequest request, DateTimeOffset now)
    {
        var device = await DeviceStore.FindAsync(transaction, id.Value);
        if (device is { State: not DeviceState.Pending })
        {
            // Set back to before it made the sealing key that is known here, perhaps: what its own key signs counts.
            if (device.State == DeviceState.Approved)
                await DeviceStore.RekeyAsync(transaction, device.Number, request.SealingKey, now);
            return true;
        }
        // Both decide before anything is written: forged requests fill up only the room of those that have none.
        var (accepted, label, origin, why) = await JudgeAsync(transaction, siteCode, id, request, now);
        if (device is null)
        {
            if (!accepted && await DeviceStore.CountPendingAsync(transaction, id.Bin) is var (all, ofBin) && (all >= MaxPending || ofBin >= MaxPendingOfBin))
                return false;
            await DeviceStore.InsertAsync(transaction, new NewDevice(id, request.SigningKey.Thumbprint(),
                JsonSerializer.Serialize(request.SigningKey, StoreJson.Default.Jwk), JsonSerializer.Serialize(request.SealingKey, StoreJson.Default.Jwk),
                installNonce, request.HostName, request.OperatingSystem, request.ClientVersion), now);
            device = (await DeviceStore.FindAsync(transaction, id.Value))!;
        }
        else
            await DeviceStore.AskedAgainAsync(transaction, device.Number, now);
        if (origin is not null)
            await DeviceStore.SetOriginAsync(transaction, id.Value, origin);
        if (accepted)
            await DeviceStore.ApproveAsync(transaction, id.Value, label, now, Publisher.CertificateTerm);
        await StatusStore.AddAsync(transaction, device.Number, Message(accepted ? "information" : "warning", accepted ? "client_approved" : "client_pending",
            accepted
                ? $"{request.HostName} ({id.Fingerprint}) is a client now: {why}."
                : $"{request.HostName} ({id.Fingerprint}) asks to become a client, but {why}. Compare the fingerprint and run `capstan client approve {id.Fingerprint}`.",
            now), now);
        return true;
    }

    /// <summary>By the identity that the machine was told to give up, else by its token.</summary>
    private static async Task<(bool Accepted, string? Label, string? Origin, string Why)> JudgeAsync(DbTransaction transaction, string siteCode, DeviceId id, ConfigurationRequest request, DateTimeOffset now)
    {
        string? origin = null, refusal = null;
        if (request.Former is { } former)
        {
            (refusal, origin) = await Identities.ReplaceAsync(transaction, siteCode, former, id, now);
            if (refusal is null)
                return (true, Identities.CopyOf(former.DeviceId), origin, $"it was told to give up the identity {former.DeviceId}, which another machine has");
        }
        var (accepted, label) = await TokenStore.ConsumeAsync(transaction, request.TokenId, request.TokenSecret, now);
        return accepted ? (true, label, origin, "its token was good")
            : (false, null, origin, refusal is null ? "its token is unknown, spent or expired" : $"{refusal}, and it has no good token");
    }

    /// <summary>Forgets devices that nobody approved within <see cref="PendingLimit"/>, with a status message of the site for each.</summary>
    /// <returns>Those that were forgotten; the receipts of their bins are to be written again.</returns>
    public static async Task<IReadOnlyList<ForgottenDevice>> ForgetAsync(DbTransaction transaction, DateTimeOffset now)
    {
        var forgotten = await DeviceStore.PrunePendingAsync(transaction, now - PendingLimit);
        foreach (var device in forgotten)
        {
            // Of the site, since the device's own messages went with it.
            await StatusStore.AddAsync(transaction, null, Message("warning", "client_forgotten",
                $"{device.HostName} ({device.Fingerprint}) asked to become a client and was not approved within {PendingLimit.TotalDays:0} days: its request was forgotten. "
                    + "If it still runs, it asks again within a day.", now), now);
        }
        return forgotten;
    }

    /// <summary>Approves by hand. False when the device is not pending.</summary>
    public async Task<bool> ApproveAsync(string deviceId, CancellationToken cancellationToken)
    {
        var now = site.Time.GetUtcNow();
        var done = await site.Database.WriteAsync(async transaction =>
        {
            if (!await DeviceStore.ApproveAsync(transaction, deviceId, null, now, Publisher.CertificateTerm))
                return false;
            var device = (await DeviceStore.FindAsync(transaction, deviceId))!;
            await StatusStore.AddAsync(transaction, device.Number, Message("information", "client_approved", "Approved by an administrator.", now), now);
            return true;
        }, cancellationToken);
        if (done)
            publisher.Changed(PublishUrgency.Enrolment);
        return done;
    }

    /// <summary>Retires a device for good; its data stays. False when it is retired already.</summary>
    public async Task<bool> RetireAsync(string deviceId, CancellationToken cancellationToken)
    {
        var now = site.Time.GetUtcNow();
        var done = await site.Database.WriteAsync(async transaction =>
        {
            if (!await DeviceStore.RetireAsync(transaction, deviceId))
                return false;
            var device = (await DeviceStore.FindAsync(transaction, deviceId))!;
            var known = (await AccountStore.ListAsync(transaction)).Where(row => row.Role == AccountRole.Clients).Select(row => row.Name).Distinct(StringComparer.OrdinalIgnoreCase).ToList();
            var copies = await DeviceStore.CopiesAsync(transaction, deviceId, Identities.CopyOf(deviceId));
            await StatusStore.AddAsync(transaction, device.Number, Message("information", "client_retired", $"Retired by an administrator.{AccountNames(known)}{CopyNames(copies)}", now), now);
            return true;
        }, cancellationToken);
        if (done)
            publisher.Changed(PublishUrgency.Enrolment);
        return done;
    }

    /// <summary>Orders something of a client, and writes it down. False when it is not approved.</summary>
    public async Task<bool> OrderAsync(DeviceOrder order, string deviceId, CancellationToken cancellationToken)
    {
        var now = site.Time.GetUtcNow();
        var (code, text) = order switch
        {
            DeviceOrder.Resync => ("client_resync", "An administrator asked for everything in full; it comes after the client's next poll."),
            DeviceOrder.Rekey => ("client_rekey", "An administrator asked for a new sealing key; the client makes it after its next poll."),
            _ => ("client_diagnose", "An administrator asked what the client knows of itself; the answer comes after its next poll."),
        };
        var done = await site.Database.WriteAsync(async transaction =>
        {
            if (!await DeviceStore.OrderAsync(transaction, order, deviceId, now))
                return false;
            var device = (await DeviceStore.FindAsync(transaction, deviceId))!;
            await StatusStore.AddAsync(transaction, device.Number, Message("information", code, text, now), now);
            return true;
        }, cancellationToken);
        if (done)
            publisher.Changed(PublishUrgency.Enrolment);
        return done;
    }

    /// <summary>What its disk may still open.</summary>
    private static string AccountNames(List<string> known) => known.Count == 0 ? ""
        : $" Whoever has its disk may know the connection account{(known.Count == 1 ? "" : "s")} {string.Join(", ", known)}: if it was lost or stolen, add another account (`capstan cap account add`), and remove the known one here and at its server.";

    /// <summary>Who else was approved by the identity, so that a person can see whether they are to go, too.</summary>
    private static string CopyNames(IReadOnlyList<(string HostName, string DeviceId)> copies) => copies.Count == 0 ? ""
        : $" {copies.Count} {(copies.Count == 1 ? "client that was a copy of it stays a client" : "clients that were copies of it stay clients")}: {string.Join(", ", copies.Take(ShownCopies).Select(copy => $"{copy.HostName} ({(DeviceId.TryParse(copy.DeviceId, out var id) ? id.Fingerprint : copy.DeviceId)})"))}"
            + $"{(copies.Count > ShownCopies ? ", …" : "")}. Retire those, too, that nobody knows: if its key was stolen, it made them.";

    private static StatusMessage Message(string severity, string code, string text, DateTimeOffset now) => new()
    {
        Severity = severity,
        Code = code,
        Component = "enrolment",
        Text = text,
        ReportedAt = Times.Of(now),
    };
}
