using System.Data.Common;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Site.Keeping;

/// <summary>What a CAP remembers of a site that the site has forgotten: policies are its own signed word on who is a client and who is not any more.</summary>
/// <remarks>Storage can withhold them, not invent them; and what it shows is only ever added: a device goes from unknown over approved to retired, never back.</remarks>
internal static class CapMemory
{
    /// <summary>Policies that differ from those of the backup. Empty when the CAP shows none that verify.</summary>
    /// <param name="advanced">Called after each step: reading all of them may take long.</param>
    public static async Task<IReadOnlyList<Policy>> ReadAsync(IStore store, TufRepository backup, string siteCode, TimeProvider time, Action advanced, CancellationToken cancellationToken)
    {
        try
        {
            var client = await CapTrust.OpenAsync(store, backup, time, cancellationToken);
            var policies = new List<Policy>();
            foreach (var (path, sha256) in await client.ListTargetsAsync(TufRole.Policy, cancellationToken))
            {
                advanced();
                if (backup.Sha256Of(path) == sha256 || await client.ReadTargetAsync(path, Documents.Policy.MaxBytes, cancellationToken) is not { } target)
                    continue;
                var policy = Documents.Policy.Decode(target.Content.Span, path);
                if (policy.SiteCode == siteCode && DeviceId.TryParse(policy.DeviceId, out var id) && Layout.PolicyTarget(id) == path)
                    policies.Add(policy);
            }
            return policies;
        }
        catch (ProtocolException)
        {
            // Part of it may be lost: what cannot be verified as a whole is not believed in part.
            return [];
        }
    }

    /// <summary>The highest order about builds. 0 when the CAP shows none that verifies.</summary>
    public static async Task<long> BuildOrderAsync(IStore store, TufRepository backup, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            var client = await CapTrust.OpenAsync(store, backup, time, cancellationToken);
            return await client.ReadTargetAsync(Layout.ClientBuildsTarget, Documents.ClientBuilds.MaxBytes, cancellationToken) is { } target
                ? Documents.ClientBuilds.Decode(target.Content.Span, target.Path).Builds.Select(build => build.Order).DefaultIfEmpty(0).Max()
                : 0;
        }
        catch (ProtocolException)
        {
            // As above; the clock alone is then what the next order is above.
            return 0;
        }
    }

    /// <summary>The state that a device gets. Pure.</summary>
    /// <param name="ours">In the backup; null for a device that it does not know.</param>
    /// <param name="shown">In a verified policy.</param>
    /// <returns>Null when nothing changes.</returns>
    public static string? Merge(string? ours, string shown) => (ours, shown) switch
    {
        (DeviceState.Retired, _) => null,
        (DeviceState.Approved, DeviceState.Approved) => null,
        (_, DeviceState.Approved or DeviceState.Retired) => shown,
        _ => null,
    };

    /// <returns>How many devices were approved, and how many retired.</returns>
    public static async Task<(int Approved, int Retired)> ApplyAsync(DbTransaction transaction, IReadOnlyList<Policy> policies, DateTimeOffset now)
    {
        int approved = 0, retired = 0;
        foreach (var policy in policies.OrderBy(policy => policy.Certificate.Ordinal))
        {
            var known = await DeviceStore.FindAsync(transaction, policy.DeviceId);
            if (Merge(known?.State, policy.State) is not { } state)
                continue;
            if (known?.State != DeviceState.Approved)
                await DeviceStore.RecoverAsync(transaction, policy, now);
            if (state == DeviceState.Retired)
                await DeviceStore.RetireAsync(transaction, policy.DeviceId);
            _ = state == DeviceState.Retired ? retired++ : approved++;
            await StatusStore.AddAsync(transaction, (await DeviceStore.FindAsync(transaction, policy.DeviceId))!.Number, new StatusMessage
            {
                Severity = "information",
                Code = "client_recovered",
                Component = "keeping",
                Text = $"{(state == DeviceState.Retired ? "Retired" : "Approved")} again after the restore: a CAP shows the site's own policy, which is newer than the backup.",
                ReportedAt = Times.Of(now),
            }, now);
        }
        return (approved, retired);
    }
}
