using System.CommandLine;
using System.Globalization;
using Capstan.Cli.Output;
using Capstan.Cli.Packages;
using Capstan.Cli.Sites;
using Capstan.Nal.Paths;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan package create|list|remove|show</c>: versioned files for clients.</summary>
internal static class PackageVerbs
{
    public static Command Create(CliHost host) => new Verb("package", "Packages: files that clients fetch and programs run from, each version immutable",
            "capstan package create ./firefox-140 --name Firefox", "capstan package list")
        .With(CreatePackage(host), List(host), Show(host), Remove(host));

    private static Listing<PackageRow> Rows(CliHost host) => new(
        [
            new("ID", package => package.PackageId, NoWrap: true),
            new("NAME", package => package.Name),
            new("VERSION", package => package.Version.ToString(CultureInfo.InvariantCulture), IsNumber: true, NoWrap: true),
            new("FILES", package => Display.Count(package.FileCount), IsNumber: true, NoWrap: true),
            new("SIZE", package => Display.Bytes(package.SizeBytes), IsNumber: true, NoWrap: true),
            new("ADDED", package => Display.Relative(package.AddedAt, host.Time.GetUtcNow()), NoWrap: true),
            new("HOLDS", package => Native(package.Native)),
        ],
        [
            new("packageId", package => package.PackageId), new("name", package => package.Name), new("version", package => package.Version), new("versions", package => package.Versions),
            new("fileCount", package => package.FileCount), new("sizeBytes", package => package.SizeBytes), new("addedAt", package => package.AddedAt),
            new("nativeFormat", package => package.Native?.Format), new("nativeName", package => package.Native?.Name), new("nativeVersion", package => package.Native?.Version),
        ],
        ApiJson.Default, $"No package. Make one: {host.Command} package create DIR --name NAME");

    private static Listing<PackageVersionRow> Versions(CliHost host) => new(
        [
            new("VERSION", version => version.Version.ToString(CultureInfo.InvariantCulture), IsNumber: true, NoWrap: true),
            new("FILES", version => Display.Count(version.FileCount), IsNumber: true, NoWrap: true),
            new("SIZE", version => Display.Bytes(version.SizeBytes), IsNumber: true, NoWrap: true),
            new("NEW", version => Display.Bytes(version.NewBytes), IsNumber: true, NoWrap: true),
            new("ADDED", version => Display.Relative(version.AddedAt, host.Time.GetUtcNow()), NoWrap: true),
            new("CAPS", OnCaps, NoWrap: true),
            new("HOLDS", version => Native(version.Native)),
        ],
        [
            new("packageId", version => version.PackageId), new("name", version => version.Name), new("version", version => version.Version), new("fileCount", version => version.FileCount),
            new("sizeBytes", version => version.SizeBytes), new("newBytes", version => version.NewBytes), new("treeSha256", version => version.TreeSha256), new("addedAt", version => version.AddedAt),
            new("waitingSince", version => version.WaitingSince),
        ],
        ApiJson.Default, "No version.");

    /// <summary>For example <c>2 of 3</c> that have all of it.</summary>
    private static string? OnCaps(PackageVersionRow version) => version.Caps is not { } caps ? null
        : $"{caps.Count(cap => cap.MissingPacks == 0)} of {caps.Count}{(version.WaitingSince is null ? "" : ", not offered yet")}";

    /// <summary>One line for each CAP that has not all of a version.</summary>
    private static IEnumerable<string> Way(CliHost host, PackageVersionRow version)
    {
        foreach (var cap in version.Caps ?? [])
        {
            if (cap.MissingPacks == 0)
                continue;
            var next = cap.NextTry is { } at && at > host.Time.GetUtcNow() ? $" Next try {Display.Utc(at)}." : "";
            yield return $"Version {version.Version}: {cap.Cap} {(cap.MissingPacks is { } missing ? $"lacks {Display.Count(missing)} of {Display.Count(cap.Packs)} packs, {Display.Bytes(cap.MissingBytes ?? 0)}" : "was not looked at yet")}{(cap.Problem is { } problem ? $": {problem.TrimEnd('.')}" : "")}.{next}";
        }
        if (version.WaitingSince is { } since)
            yield return $"Version {version.Version} waits since {Display.Utc(since)} for a client access point that has all of it: clients are offered it then.";
    }

    private static string? Native(NativeFile? native) => native is null ? null
        : native.Name is null ? $"{native.File} ({native.Problem})" : $"{native.Name} {native.Version} ({native.Format}, {native.Architecture})";

    private static Verb CreatePackage(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var source = new Argument<string>("DIR|FILE") { Description = "What to publish, as it is now: later changes need a new version. Links stay links if they stay inside" };
        var name = new Option<string?>("--name") { Description = "Name of the new package", HelpName = "NAME" };
        var id = new Option<string?>("--id") { Description = "The package that gets a new version, by id or name, instead of a new package", HelpName = "ID" };
        return new Verb("create", "Publish a directory or a file as a package, or as the next version of one", "capstan package create ./firefox-140 --name Firefox",
                "capstan package create ./firefox-141 --id k3fq7zbm", "capstan package create ./hello_2.10-3_amd64.deb --name Hello")
            .With(source, name, id, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var (wanted, package) = (parse.GetValue(name), parse.GetValue(id));
                if (wanted is null == package is null)
                    throw new CliException("give --name for a new package, or --id for the next version of one", ExitCode.Usage);
                var files = PackageSource.Read(host.FullPath(parse.GetRequiredValue(source)), await ForbiddenAsync(site.Find(parse, host), api, cancellationToken));
                var made = await host.WithProgressAsync("publishing", () => new PackageSender(api, host.Time, host.Error.WriteLine).SendAsync(wanted, package, files, cancellationToken));
                if (parse.GetValue(output) is var format && format != OutputFormat.Table)
                {
                    await Versions(host).WriteAsync(host, format, [made], made);
                    return ExitCode.Done;
                }
                await host.Out.WriteLineAsync(VisibleText.Of(made.IsNew
                    ? $"Published {made.Name} ({made.PackageId}) version {made.Version}: {Display.Plural(made.FileCount, "file")}, {Display.Bytes(made.SizeBytes)}.{(made.NewBytes == 0 ? " All of it was there already: it takes no more room." : $" It takes {Display.Bytes(made.NewBytes)} more of the site and of each client access point: what was not there yet, packed, and the list of its files.")}"
                    : $"{made.Name} ({made.PackageId}) has this content already, as version {made.Version}: nothing was published.{(made.NewBytes > 0 ? $" {Display.Bytes(made.NewBytes)} of it that the site had lost are there again." : "")}"));
                if (made.IsNew)
                    await host.Out.WriteLineAsync(VisibleText.Of($"Clients are offered it as soon as one client access point has all of it: {host.Command} package show {made.PackageId}"));
                if (made.Native is { } native)
                    await host.Out.WriteLineAsync(VisibleText.Of($"It holds {Native(native)}."));
                return ExitCode.Done;
            }));
    }

    /// <summary>Directories of this machine that change by publishing: the site's own, and its CAPs that are folders here.</summary>
    private static async Task<IReadOnlyList<(string Directory, string What)>> ForbiddenAsync(FoundSite found, ApiClient api, CancellationToken cancellationToken)
    {
        var own = new List<(string, string)>();
        if (found.Directory is { } directory)
            own.Add((directory, "the site's own directory"));
        if (found.Address.IsLoopback)
        {
            // By its address alone nobody here knows where it lies.
            if (await api.SiteDirectoryAsync(cancellationToken) is { Directory: { } its } && its != found.Directory)
                own.Add((its, "the site's own directory"));
            foreach (var cap in await api.CapsAsync(cancellationToken))
            {
                if (NalPath.TryParse(cap.Path, out var path, out _) && path.LocalDirectory is { } folder)
                    own.Add((folder, "a client access point"));
            }
        }
        return own;
    }

    private static Verb List(CliHost host) => new Verb("list", "The packages of the site with their newest versions", "capstan package list", "capstan package list -o json")
        .Lists(host, Rows(host), (api, cancellationToken) => api.PackagesAsync(cancellationToken));

    private static Verb Show(CliHost host)
    {
        var id = Id();
        return new Verb("show", "The versions of a package, the newest first", "capstan package show k3fq7zbm")
            .With(id)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                var package = await api.PackageAsync(parse.GetRequiredValue(id), cancellationToken);
                if (format == OutputFormat.Table)
                    await host.Out.WriteLineAsync(VisibleText.Of($"{package.Name} ({package.PackageId})"));
                await Versions(host).WriteAsync(host, format, package.Versions, package);
                if (format == OutputFormat.Table)
                {
                    foreach (var line in package.Versions.SelectMany(version => Way(host, version)))
                        await host.Out.WriteLineAsync(VisibleText.Of(line));
                }
                return ExitCode.Done;
            });
    }

    private static Verb Remove(CliHost host)
    {
        var site = new SiteLocation();
        var id = Id();
        var version = Arguments.WholeNumber("--version", "Only this version (default: the package with all of them)", 1, int.MaxValue);
        return new Verb("remove", "Take a package, or one version of it, off the site; its content leaves the CAPs after 7 days, and clients that have it keep it",
                "capstan package remove k3fq7zbm", "capstan package remove k3fq7zbm --version 1")
            .With(id, version).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await api.RemovePackageAsync(parse.GetRequiredValue(id), parse.GetValue(version), cancellationToken);
                await host.Out.WriteLineAsync(VisibleText.Of(parse.GetValue(version) is { } one ? $"Removed version {one} of {parse.GetRequiredValue(id)}." : $"Removed {parse.GetRequiredValue(id)}."));
                return ExitCode.Done;
            }));
    }

    private static Argument<string> Id() => new("ID") { Description = "A package of the list, by id or name" };
}
