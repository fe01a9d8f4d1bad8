using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Site.Keeping;

/// <summary>What a CAP shows of a site, as far as its keys verify it.</summary>
/// <param name="Version">0 for nothing.</param>
/// <param name="Epoch">0 for nothing.</param>
/// <param name="RootVersion">Beyond the site's own, its keys were changed after the backup.</param>
/// <param name="Failure">Why it could not be looked at, or beyond version and epoch not; null when it could.</param>
internal sealed record CapShown(string Path, long Version, long Epoch, int RootVersion, string? Failure)
{
    /// <summary>See <see cref="CapMemory"/>.</summary>
    public IReadOnlyList<Policy> Policies { get; init; } = [];

    /// <summary>The highest order about builds; 0 for none.</summary>
    public long BuildOrder { get; init; }
}

/// <summary>Looks at every CAP of a site that does not run, through the site's own accounts.</summary>
internal sealed class CapLook(SiteContext site, CapAccess access)
{
    /// <summary>How long one CAP may take for the first answer, and from one policy to the next.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <param name="state">The published state; null for a site that has never published.</param>
    public async Task<IReadOnlyList<CapShown>> AllAsync(IEnumerable<CapState> caps, byte[]? state, CancellationToken cancellationToken)
    {
        var shown = new List<CapShown>();
        if (state is null)
            return shown;
        var repository = TufRepository.Load(state);
        foreach (var cap in caps)
            shown.Add(await OneAsync(cap.Path, repository, cancellationToken));
        return shown;
    }

    private async Task<CapShown> OneAsync(string cap, TufRepository repository, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Limit, site.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var token = either.Token;
        // Kept when the policies take too long: what clients must be above matters more than they do.
        CapShown? first = null;
        try
        {
            return await Task.Run(() => access.UseAsync(NalPath.Parse(cap), "Restore", async store =>
            {
                var source = new StoreSource(store);
                var version = await repository.VerifiedVersionAsync(source, token);
                var (epoch, root) = await CapTrust.EpochAsync(store, repository, site.Time, token);
                first = new CapShown(cap, version, epoch, root, null);
                if (epoch > 0)
                    first = first with { BuildOrder = await CapMemory.BuildOrderAsync(store, repository, site.Time, token) };
                return epoch == 0 ? first : first with { Policies = await CapMemory.ReadAsync(store, repository, site.Site.SiteCode, site.Time, () => limit.CancelAfter(Limit), token) };
            }, token), token).WaitAsync(token);
        }
        catch (NalException cause)
        {
            return (first ?? new CapShown(cap, 0, 0, 0, null)) with { Failure = cause.Message };
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return (first ?? new CapShown(cap, 0, 0, 0, null)) with { Failure = $"no answer within {Limit.TotalSeconds:0} s" };
        }
    }
}
