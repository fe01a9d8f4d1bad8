using System.Data.Common;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Site.Distribution.Offers;

/// <summary>Makes, shows and removes programs: command lines of packages, with the rules by which they run.</summary>
internal sealed class ProgramAdministration(SiteContext site, OfferStore store, Publisher publisher)
{
    public async Task<IReadOnlyList<ProgramSummary>> ListAsync(CancellationToken cancellationToken) =>
        [.. (await store.ProgramsAsync(cancellationToken)).Select(row => row.ToSummary())
            .OrderBy(program => program.PackageName, StringComparer.OrdinalIgnoreCase).ThenBy(program => program.Rules.Name, StringComparer.OrdinalIgnoreCase)];

    /// <exception cref="SiteException"><c>package_unknown</c>, <c>program_exists</c>, <c>bad_program</c>.</exception>
    public async Task<ProgramSummary> CreateAsync(ProgramCreate request, CancellationToken cancellationToken)
    {
        var (summary, changed) = await site.Database.WriteAsync(async transaction =>
        {
            var package = await OfferedPackage.FindAsync(transaction, request.Package, null) ?? throw OfferBuilder.PackageUnknown(request.Package);
            var said = request.Rules ?? Defaults(request.Name ?? "install");
            var known = await OfferStore.ProgramAsync(transaction, package.PackageId, said.Name);
            if (known is not null && !request.Replace)
                throw new SiteException($"{package.Name} has a program {known.Name}; with --replace it is changed, and every advertisement of it.", "program_exists");
            // Clients know what they have run by its name, letter by letter.
            if (known is not null)
                said = Kept(package, known.Read(), said, request.Given) with { Name = known.Name };
            var rules = said is { Command: null, Native: null } ? Proposed(package, said) : said;
            if (said.Removal is null && request.Given?.Contains(ProgramCreate.Removal, StringComparer.Ordinal) == true)
                rules = rules with { Removal = null };
            var (firstPackage, firstName) = known is not null && request.Given?.Contains(ProgramCreate.FirstMember, StringComparer.Ordinal) == false ? (known.FirstPackage, known.FirstName)
                : request.First is null ? (null, null) : await FirstAsync(transaction, request.First);
            var now = site.Time.GetUtcNow();
            await OfferStore.SaveProgramAsync(transaction, package.PackageId, rules, firstPackage, firstName, now);
            // Checks the whole as it would be signed, with what comes before it.
            await OfferBuilder.CheckAsync(transaction, site.Site.SiteCode, package.PackageId, rules.Name);
            var changed = await OfferBuilder.RefreshAsync(transaction, package.PackageId, rules.Name, now);
            return ((await OfferStore.ProgramViewAsync(transaction, package.PackageId, rules.Name)).ToSummary(), changed);
        }, cancellationToken);
        if (changed > 0)
            publisher.Changed(PublishUrgency.Enrolment);
        return summary;
    }

    /// <param name="path">PACKAGE/PROGRAM.</param>
    /// <exception cref="SiteException"><c>package_unknown</c>, <c>program_unknown</c>, <c>program_in_use</c>.</exception>
    public Task RemoveAsync(string path, CancellationToken cancellationToken) => site.Database.WriteAsync(async transaction =>
    {
        var (package, program) = await OfferBuilder.FindAsync(transaction, path);
        if (await OfferStore.OfProgramAsync(transaction, package.PackageId, program.Name) is { Count: > 0 } offers)
            throw new SiteException($"{program.Name} is advertised ({string.Join(", ", offers.Take(5).Select(offer => offer.AdvertisementId))}); `capstan advertisement remove` ends that.", "program_in_use");
        if (await OfferStore.FollowersAsync(transaction, package.PackageId, program.Name) is { Count: > 0 } followers)
            throw new SiteException($"{program.Name} has to run before {string.Join(", ", followers.Select(follower => follower.Name))}; change those first.", "program_in_use");
        await OfferStore.RemoveProgramAsync(transaction, package.PackageId, program.Name);
    }, cancellationToken);

    /// <summary>What holds when only some rules are given: the others stay as they are. A code that was given means what was said, and nothing else any more.</summary>
    /// <param name="given">Names of those that are, as in JSON; null for all.</param>
    /// <exception cref="SiteException"><c>bad_program</c>: one that is none.</exception>
    private static ProgramRules Kept(OfferedPackage package, ProgramRules known, ProgramRules said, IReadOnlyList<string>? given)
    {
        if (given is null)
            return said;
        if (given.Where(member => member != ProgramCreate.FirstMember && StoreJson.Default.ProgramRules.Properties.All(rule => rule.Name != member)).ToList() is { Count: > 0 } unknown)
            throw new SiteException($"There is no rule {string.Join(", ", unknown)}: given names members of rules, and {ProgramCreate.FirstMember}.", "bad_program");
        var (rules, changes) = (JsonSerializer.SerializeToNode(known, StoreJson.Default.ProgramRules)!.AsObject(), JsonSerializer.SerializeToNode(said, StoreJson.Default.ProgramRules)!.AsObject());
        foreach (var member in given.Where(member => member != ProgramCreate.FirstMember))
            rules[member] = changes[member]?.DeepClone();
        // One of the two is given.
        if (IsGiven("command") != IsGiven("native"))
            rules.Remove(IsGiven("command") ? "native" : "command");
        var kept = rules.Deserialize(StoreJson.Default.ProgramRules)!;
        var spoken = new (string Name, IReadOnlyList<int>? Codes)[] { ("successCodes", said.SuccessCodes), ("rebootCodes", said.RebootCodes), ("retryCodes", said.RetryCodes) }.Where(list => list.Codes is not null && IsGiven(list.Name)).SelectMany(list => list.Codes!).ToHashSet();
        kept = kept with { SuccessCodes = Codes("successCodes", kept.SuccessCodes), RebootCodes = Codes("rebootCodes", kept.RebootCodes), RetryCodes = Codes("retryCodes", kept.RetryCodes) };
        // Where the newest version is another package of the operating system, its lines are other ones.
        return kept.Native is not { } native || IsGiven("native") || (native.Format == package.NativeFormat && native.Package == package.NativeName) ? kept
            : kept with { Native = null, Removal = kept.Removal?.Native is null ? kept.Removal : null };

        bool IsGiven(string member) => given.Contains(member, StringComparer.Ordinal);

        IReadOnlyList<int> Codes(string member, IReadOnlyList<int> codes) => IsGiven(member) ? codes : [.. codes.Where(code => !spoken.Contains(code))];
    }

    /// <summary>The lines that a package of the operating system needs no hand to write, with the other rules as they were said.</summary>
    private static ProgramRules Proposed(OfferedPackage package, ProgramRules said) => package is { NativeFormat: { } format, NativeName: { } native, NativeFile: { } file }
        ? said with
        {
            Native = new NativePackage { Format = format, Action = NativePackage.Install, File = file, Package = native },
            RetryCodes = said.RetryCodes is { Count: > 0 } ? said.RetryCodes : [.. Busy(format).Except([.. said.SuccessCodes, .. said.RebootCodes])],
            Removal = said.Removal ?? new ProgramRemoval { Native = new NativePackage { Format = format, Action = NativePackage.Remove, Package = native } },
        }
        : throw new SiteException($"{package.Name} is not one package of an operating system that the site could read, so no line is proposed: say what is run (--run \"setup.sh --quiet\").", "bad_program");

    /// <summary>What the system's installer ends with when another one has its lock (unattended upgrades, a person): that passes. rpm has one code for all that fails.</summary>
    private static int[] Busy(string format) => format == NativePackage.Deb ? [2] : [1];

    /// <summary>What holds where nothing is said: as the system, an hour, 0 is a success, 3010 and 1641 one after a restart, once.</summary>
    public static ProgramRules Defaults(string name) => new()
    {
        Name = name,
        RunAs = ProgramRules.AsSystem,
        FreeDiskBytes = 0,
        MemoryBytes = 0,
        TimeLimitSeconds = 3_600,
        WaitsForChildren = true,
        SuccessCodes = [0],
        RebootCodes = [1641, 3010],
        RetryCodes = [],
        MaxTries = 3,
        RetrySeconds = 900,
        AfterRun = ProgramRules.Nothing,
        Rerun = ProgramRules.OnNewVersion,
        NoticeSeconds = 0,
        MaxPostponements = 0,
    };

    private static async Task<(string? Package, string? Name)> FirstAsync(DbTransaction transaction, string path)
    {
        var (package, program) = await OfferBuilder.FindAsync(transaction, path);
        return (package.PackageId, Collections.Folding.Value(program.Name));
    }
}
