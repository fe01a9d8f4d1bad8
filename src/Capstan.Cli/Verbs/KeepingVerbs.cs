using System.CommandLine;
using Capstan.Cli.Sites;
using Capstan.Site.Console;
using Capstan.Site.Keeping;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan backup</c>, <c>capstan restore</c> and <c>capstan site new-epoch</c>: they work in a site's directory, as its owner.</summary>
internal static class KeepingVerbs
{
    public static Verb Backup(CliHost host)
    {
        var site = new SiteLocation();
        var target = new Argument<string>("DIR") { Description = "A new directory: nothing is ever replaced" };
        var withRoot = new Option<bool>("--with-root-key") { Description = "Also the root key, when it lies in keys/: whoever has the backup can then become the site" };
        return new Verb("backup", "Copy a site, running or not, into a new directory: database and keys", "capstan backup /mnt/stick/capstan-2026-11-22 --data /var/lib/capstan")
            .With(target, site.Data, withRoot)
            .Does(host, async (parse, cancellationToken) =>
            {
                var report = await host.WithProgressAsync("copying and verifying", () => SiteBackup.CreateAsync(site.OwnDirectory(parse, host),
                    host.FullPath(parse.GetRequiredValue(target)), parse.GetValue(withRoot), host.Time, cancellationToken));
                await host.Out.WriteLineAsync($"Site {report.SiteCode} (epoch {report.Epoch}, version {report.PublishedVersion}, {report.Clients} clients) is in {report.Directory}: {Display.Bytes(report.LengthBytes)}, verified.");
                await host.Error.WriteLineAsync($"It is a secret: it holds the site's private keys. {report.RootKey}");
                return ExitCode.Done;
            });
    }

    public static Verb Restore(CliHost host)
    {
        var backup = new Argument<string>("BACKUP") { Description = "The directory that capstan backup has made" };
        var data = Data();
        return new Verb("restore", "Make a site of a backup, in a new directory and a new epoch; its clients follow by themselves", "capstan restore /mnt/stick/capstan-2026-11-22 --data /var/lib/capstan")
            .With(backup, data)
            .Does(host, async (parse, cancellationToken) =>
            {
                var report = await host.WithProgressAsync("verifying, copying, looking at the CAPs", () => SiteRestore.RestoreAsync(host.FullPath(parse.GetRequiredValue(backup)),
                    host.FullPath(parse.GetRequiredValue(data)), host.Time, host.Machine, NullLoggerFactory.Instance, cancellationToken));
                return await TellAsync(host, "Restored", report);
            });
    }

    public static Verb NewEpoch(CliHost host)
    {
        var data = Data();
        return new Verb("new-epoch", "Let a site that was put back by other means (a snapshot, a copy) begin anew; it must not run", "capstan site new-epoch --data /var/lib/capstan")
            .With(data)
            .Does(host, async (parse, cancellationToken) =>
            {
                var report = await host.WithProgressAsync("looking at the CAPs", () => SiteRestore.BeginEpochAsync(host.FullPath(parse.GetRequiredValue(data)),
                    host.Time, host.Machine, NullLoggerFactory.Instance, cancellationToken));
                return await TellAsync(host, "Began anew:", report);
            });
    }

    public static Verb RotateKeys(CliHost host)
    {
        var data = Data();
        var roles = new Option<string[]>("--role")
        {
            Description = "Only the key of this role, may be given several times: targets, snapshot, timestamp, site, packages, client, policy, receipts, sealing (default: all of them)",
            HelpName = "ROLE",
            AllowMultipleArgumentsPerToken = true,
        };
        var root = new Option<bool>("--root") { Description = "Also the root key; alone, when no --role is given" };
        var rootKey = new Option<string?>("--root-key") { Description = "The present root key, when it is not in keys/", HelpName = "FILE" };
        return new Verb("rotate-keys", "Replace the site's keys; it must not run, and clients follow by themselves", "capstan site rotate-keys --data /var/lib/capstan --root-key /mnt/stick/root.key.pem",
            "capstan site rotate-keys --role sealing --data /var/lib/capstan", "capstan site rotate-keys --root --root-key /mnt/stick/root.key.pem --data /var/lib/capstan")
            .With(data, roles, root, rootKey)
            .Does(host, async (parse, cancellationToken) =>
            {
                var file = parse.GetValue(rootKey) is { } given ? host.FullPath(given) : null;
                var report = await KeyRotation.RotateAsync(host.FullPath(parse.GetRequiredValue(data)), parse.GetValue(roles) ?? [], parse.GetValue(root), file, host.Time, cancellationToken);
                await host.Out.WriteLineAsync($"Site {report.SiteCode} has new keys of {string.Join(", ", report.Roles)}; root version {report.RootVersion}.");
                if (report.SealedUntil is { } until)
                    await host.Error.WriteLineAsync($"Uploads that are sealed to the former key are opened until {until:u}.");
                if (report.NewRootKey is { } path)
                    await host.Error.WriteLineAsync($"The new root key lies in {path}: copy it to two sticks and take it away. The former one signs nothing any more.");
                await host.Error.WriteLineAsync("Start the site, then take a backup: clients refuse what the keys of older ones sign.");
                return ExitCode.Done;
            });
    }

    private static async Task<int> TellAsync(CliHost host, string done, RestoreReport report)
    {
        await host.Out.WriteLineAsync($"{done} site {report.SiteCode} in {report.Directory}: epoch {report.Epoch}, {report.Clients} clients.");
        foreach (var note in report.Notes)
            await host.Error.WriteLineAsync(VisibleText.Of(note));
        await host.Error.WriteLineAsync($"Enrolment tokens ended: {report.TokensEnded}; one that was used since would be good again. Make new ones with {host.Command} token create.");
        await host.Error.WriteLineAsync("Clients that were approved after the backup, and that no CAP shows, ask again: look at capstan client list --state pending, and compare fingerprints. Retire again whom you had retired since.");
        await host.Error.WriteLineAsync($"Make sure that no other copy of this site runs. Then serve it: {host.Command} site run --data {report.Directory}");
        return ExitCode.Done;
    }

    private static Option<string> Data() => new("--data") { Description = "The site's directory", HelpName = "DIR", Required = true };
}
