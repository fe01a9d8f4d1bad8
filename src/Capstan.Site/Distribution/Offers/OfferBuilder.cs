using System.Data.Common;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Collections;
using Capstan.Site.Store;

namespace Capstan.Site.Distribution.Offers;

/// <summary>Makes the snapshot of a program that an advertisement contains, with all that has to have succeeded before.</summary>
internal static class OfferBuilder
{
    /// <param name="path">PACKAGE/PROGRAM by id or name; the package alone where it has one program.</param>
    /// <exception cref="SiteException"><c>package_unknown</c>, <c>program_unknown</c>.</exception>
    public static async Task<(OfferedPackage Package, ProgramRow Program)> FindAsync(DbTransaction transaction, string path)
    {
        // A name of a package may have a slash in it; the one of a program may not.
        var slash = path.LastIndexOf('/');
        if (slash > 0 && await OfferedPackage.FindAsync(transaction, path[..slash], null) is { } package)
        {
            return await OfferStore.ProgramAsync(transaction, package.PackageId, path[(slash + 1)..]) is { } program
                ? (package, program)
                : throw new SiteException($"{package.Name} has no program {path[(slash + 1)..]}. It has: {Names(await OfferStore.ProgramsOfAsync(transaction, package.PackageId))}.", "program_unknown");
        }
        package = await OfferedPackage.FindAsync(transaction, path, null) ?? throw PackageUnknown(slash > 0 ? path[..slash] : path);
        return await OfferStore.ProgramsOfAsync(transaction, package.PackageId) switch
        {
            [var only] => (package, only),
            [] => throw new SiteException($"{package.Name} has no program yet: `capstan program create {package.PackageId} --name install --run \"setup.sh\"`.", "program_unknown"),
            var several => throw new SiteException($"{package.Name} has several programs: say {package.Name}/NAME with one of {Names(several)}.", "program_unknown"),
        };
    }

    /// <param name="version">Null for the newest.</param>
    /// <param name="known">What was offered: what runs before keeps its version. Null for the newest of that, too.</param>
    /// <exception cref="SiteException"><c>package_unknown</c>, <c>program_unknown</c>, <c>bad_program</c>: it goes deeper than allowed, or in a circle.</exception>
    public static async Task<ProgramOffer> BuildAsync(DbTransaction transaction, string packageId, string program, long? version, ProgramOffer? known = null, int depth = 1)
    {
        if (depth > ProgramOffer.MaxSteps)
            throw new SiteException($"What has to run before {program} goes deeper than {ProgramOffer.MaxSteps} programs, or in a circle.", "bad_program");
        var package = await OfferedPackage.FindAsync(transaction, packageId, version) ?? throw (version is null ? PackageUnknown(packageId) : new SiteException($"Package {packageId} has no version {version}; `capstan package show {packageId}` lists them.", "package_unknown"));
        var row = await OfferStore.ProgramAsync(transaction, packageId, program) ?? throw new SiteException($"{package.Name} has no program {program}.", "program_unknown");
        return new ProgramOffer
        {
            PackageId = package.PackageId,
            PackageVersion = package.Version,
            PackageName = package.Name,
            Program = Of(package, row.Read()),
            First = row is { FirstPackage: { } firstPackage, FirstName: { } firstName } ? await BuildAsync(transaction, firstPackage, firstName, known?.First is { } first && first.PackageId == firstPackage ? first.PackageVersion : null, known?.First, depth + 1) : null,
        };
    }

    /// <summary>A native package is another file in each version, as a rule: what is installed is the one of the version that is offered.</summary>
    /// <exception cref="SiteException"><c>bad_program</c>: the version is another package than the program installs.</exception>
    private static ProgramRules Of(OfferedPackage package, ProgramRules rules) => (rules.Native, package) switch
    {
        ({ Action: NativePackage.Install } native, { NativeFile: { } file }) when native.Format == package.NativeFormat && native.Package == package.NativeName => rules with { Native = native with { File = file } },
        ({ Action: NativePackage.Install } native, { NativeFormat: not null }) => throw new SiteException(
            $"Version {package.Version} of {package.Name} is the {package.NativeFormat} package {package.NativeName}, and its program {rules.Name} installs the {native.Format} package {native.Package}. Make a program for it: `capstan program create {package.PackageId} --name {rules.Name} --replace`.", "bad_program"),
        _ => rules,
    };

    /// <exception cref="SiteException"><c>bad_program</c> with all problems at once.</exception>
    public static async Task CheckAsync(DbTransaction transaction, string siteCode, string packageId, string program)
    {
        var probe = new Advertisement
        {
            SiteCode = siteCode,
            AdvertisementId = "aaaaaaaa",
            Revision = 1,
            Name = program,
            Offer = await BuildAsync(transaction, packageId, program, null),
            Purpose = Advertisement.Required,
            State = Advertisement.Active,
            Priority = 0,
            OverSlowLinks = false,
            OverUnknownLinks = true,
        };
        Encodable(probe, "bad_program");
    }

    /// <summary>Refuses what no client would accept.</summary>
    /// <exception cref="SiteException">With <paramref name="code"/>.</exception>
    public static void Encodable(Advertisement document, string code)
    {
        try
        {
            Documents.Advertisement.Encode(document);
        }
        catch (ProtocolException cause)
        {
            throw new SiteException($"No client would take it: {cause.Message}", code, cause);
        }
    }

    /// <summary>Renews the snapshot in every advertisement that a program is part of.</summary>
    /// <returns>How many advertisements have a new revision.</returns>
    /// <exception cref="SiteException"><c>bad_program</c>: one that comes after it would go deeper than allowed.</exception>
    public static async Task<int> RefreshAsync(DbTransaction transaction, string packageId, string program, DateTimeOffset now)
    {
        var changed = 0;
        var reached = new HashSet<(string, string)>();
        var open = new Queue<(string Package, string Key)>([(packageId, Folding.Value(program))]);
        while (open.TryDequeue(out var next))
        {
            if (!reached.Add(next))
                continue;
            foreach (var row in await OfferStore.OfProgramAsync(transaction, next.Package, next.Key))
            {
                var document = row.Read();
                // Versions stay, also of what comes before it: a new one is offered when somebody says so.
                var offer = await BuildAsync(transaction, row.PackageId, row.ProgramKey, document.Offer.PackageVersion, document.Offer);
                await OfferStore.SaveAsync(transaction, document with { Offer = offer, Revision = OfferRules.NextRevision(document.Revision, now) }, row.PackageId, row.PackageVersion, row.CollectionId, (int?)row.HaltAt, Times.At(row.CountsFrom), now);
                changed++;
            }
            foreach (var follower in await OfferStore.FollowersAsync(transaction, next.Package, next.Key))
            {
                // Also of what nobody offers: it could not be offered any more, and somebody else would find out.
                if (await StepsAsync(transaction, follower) > ProgramOffer.MaxSteps)
                    throw new SiteException($"{follower.Name}, which comes after it, would be more than {ProgramOffer.MaxSteps} programs, each before the next.", "bad_program");
                open.Enqueue((follower.PackageId, Folding.Value(follower.Name)));
            }
        }
        return changed;
    }

    /// <summary>How many programs run for one, itself included; at most one more than allowed.</summary>
    private static async Task<int> StepsAsync(DbTransaction transaction, ProgramRow? program)
    {
        var steps = 0;
        while (program is not null && ++steps <= ProgramOffer.MaxSteps)
            program = program is { FirstPackage: { } package, FirstName: { } name } ? await OfferStore.ProgramAsync(transaction, package, name) : null;
        return steps;
    }

    public static SiteException PackageUnknown(string name) => new($"There is no package {name} with a version; `capstan package list` shows all.", "package_unknown");

    private static string Names(IReadOnlyList<ProgramRow> programs) => programs.Count == 0 ? "none" : string.Join(", ", programs.Select(program => program.Name));
}
