using Capstan.Client.Content;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;

namespace Capstan.Client.Programs;

/// <summary>Takes the advertisements that the policy in force lists, and the manifests of their packages, from verified metadata. One that is wrong is refused by itself; what was known of it stays.</summary>
internal sealed class AdvertisementOrders(ClientCore core)
{
    private readonly List<string> _refused = [];

    /// <summary>Everything that is listed was there to be read; false: it is tried again with the next contact.</summary>
    public bool IsRead { get; private set; } = true;

    /// <summary>The CAP did not give a document as its metadata promises it.</summary>
    public bool IsCapDoubtful { get; private set; }

    /// <exception cref="Nal.NalException">The CAP failed while reading; what was adopted stays.</exception>
    public async Task AdoptAsync(TufClient metadata, CancellationToken cancellationToken)
    {
        foreach (var id in core.Policy?.Advertisements ?? [])
        {
            var target = ObjectId.IsValid(id) ? Layout.AdvertisementTarget(id) : id;
            try
            {
                if (!ObjectId.IsValid(id))
                    Refuse(id, "it is no id of an advertisement");
                else if (await AdoptAsync(metadata, id, target, cancellationToken) is { } fault)
                    Refuse(id, fault);
            }
            catch (ProtocolException e)
            {
                Refuse(id, e.Message);
            }
        }
        if (core.Policy is { } policy)
            core.Programs.List(policy.Advertisements.ToHashSet(StringComparer.Ordinal), core.Site?.Epoch ?? 0, core.Clock.Wall);
        if (_refused.Count == 0)
            core.Spool.Over(ProgramReporter.Component, StatusCode.AdvertisementInvalid);
        else
            core.Report("error", StatusCode.AdvertisementInvalid, string.Join("; ", _refused), ProgramReporter.Component);
    }

    /// <returns>Why it is refused; null when it is in force.</returns>
    private async Task<string?> AdoptAsync(TufClient metadata, string id, string target, CancellationToken cancellationToken)
    {
        var (found, fault) = await ReadAsync(metadata, target, Documents.Advertisement.MaxBytes, core.Programs.PrintOf(id), cancellationToken);
        if (found is null)
            return fault;
        var document = Documents.Advertisement.Decode(found.Content.Span, target);
        if (document.SiteCode != core.SiteCode)
            return $"it is made for site {document.SiteCode}, and this client belongs to {core.SiteCode}";
        if (document.AdvertisementId != id)
            return $"it is that of advertisement {document.AdvertisementId}";
        string? missing = null;
        foreach (var package in document.Offer.Chain().Select(AdvertisementPlanner.Package).Distinct())
            missing ??= await ManifestAsync(metadata, package, cancellationToken);
        core.Programs.Adopt(id, found.Sha256, found.Content.Span, missing, core.Clock.Wall);
        ProgramLog.AdvertisementAdopted(core.Log, id, document.Name, document.Revision);
        if (missing is not null)
            Refuse(id, missing);
        return null;
    }

    /// <returns>What is wrong with it; null when it is here.</returns>
    private async Task<string?> ManifestAsync(TufClient metadata, PackageKey package, CancellationToken cancellationToken)
    {
        if (core.Programs.HasManifest(package))
            return null;
        if (package.Version > int.MaxValue)
            return $"package {package} cannot be";
        var target = Layout.PackageTarget(package.PackageId, (int)package.Version);
        try
        {
            var (found, fault) = await ReadAsync(metadata, target, Documents.PackageManifest.MaxBytes, known: null, cancellationToken);
            if (found is null)
                return $"the manifest of {package}: {fault}";
            var manifest = Documents.PackageManifest.Decode(found.Content.Span, target);
            if (manifest.SiteCode != core.SiteCode || manifest.PackageId != package.PackageId || manifest.PackageVersion != package.Version)
                return $"{target} is the manifest of {manifest.PackageId}-{manifest.PackageVersion} of site {manifest.SiteCode}";
            core.Programs.AddManifest(package, found.Content.Span);
            return null;
        }
        catch (ProtocolException e)
        {
            return $"the manifest of {package}: {e.Message}";
        }
    }

    /// <param name="known">Hash of what is here; the same is not read again.</param>
    /// <returns>The target; or neither when it is here already; or why it cannot be had.</returns>
    private async Task<(TufTarget? Found, string? Fault)> ReadAsync(TufClient metadata, string target, long maxBytes, string? known, CancellationToken cancellationToken)
    {
        try
        {
            if (await metadata.LocateTargetAsync(target, cancellationToken) is not { } place)
            {
                IsRead = false;
                return (null, "the site's metadata does not list it");
            }
            if (place.IsStale)
            {
                IsCapDoubtful = true;
                IsRead = false;
                return (null, "the role that lists it has expired, so no new orders are taken from it");
            }
            return place.Sha256 == known ? (null, null) : (await metadata.ReadTargetAsync(target, maxBytes, cancellationToken), null);
        }
        catch (ProtocolException)
        {
            IsCapDoubtful = true;
            IsRead = false;
            throw;
        }
    }

    private void Refuse(string id, string cause)
    {
        _refused.Add($"{id}: {cause}");
        ProgramLog.AdvertisementRefused(core.Log, id, cause);
    }
}
