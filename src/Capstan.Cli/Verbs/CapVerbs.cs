using Capstan.Protocol.V1;
using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Site.Api;
using Capstan.Site.Console;
using Capstan.Site.Publish;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan cap add|list|check|publish|account|sessions</c></summary>
internal static class CapVerbs
{
    public static Command Create(CliHost host) => new Verb("cap", "Client access points: the storage between clients and site", "capstan cap add /srv/cap", "capstan cap list")
        .With(Add(host), List(host), Check(host), Publish(host), CapAccountVerbs.Create(host), CapSessionsVerb.Create(host));

    private static Listing<CapRow> Rows(CliHost host) => new(
        [
            new("PATH", cap => cap.Path),
            new("STATE", cap => cap.State, NoWrap: true),
            new("ACCOUNTS", cap => Accounts(cap)),
            new("PUBLISHED", cap => Display.Relative(cap.LastPublished, host.Time.GetUtcNow()), NoWrap: true),
            new("DRAINED", cap => Display.Relative(cap.LastDrained, host.Time.GetUtcNow()), NoWrap: true),
            new("INBOX", cap => Display.Count(cap.InboxCount), IsNumber: true),
            new("PACKS", CapContentText.Of),
            new("USE", CapLoadText.Of),
            new("LEVEL", cap => cap.Load?.Level, NoWrap: true),
            new("ERROR", cap => cap.LastError ?? cap.Content?.LastError),
        ],
        [
            new("path", cap => cap.Path), new("licensing", cap => cap.Licensing), new("headroom", cap => cap.Headroom), new("aliases", cap => string.Join(' ', cap.Aliases ?? [])), new("state", cap => cap.State),
            new("lastPublished", cap => cap.LastPublished), new("publishedVersion", cap => cap.PublishedVersion), new("lastDrained", cap => cap.LastDrained),
            new("inboxCount", cap => cap.InboxCount), new("nextTry", cap => cap.NextTry), new("lastError", cap => cap.LastError), new("errorCode", cap => cap.ErrorCode),
            new("accounts", cap => string.Join(' ', cap.Accounts ?? [])), new("clientAccounts", cap => string.Join(' ', cap.ClientAccounts ?? [])),
            new("unreadableAccounts", cap => string.Join(' ', cap.UnreadableAccounts ?? [])),
            new("packs", cap => cap.Content?.Packs), new("missingPacks", cap => cap.Content?.MissingPacks), new("missingBytes", cap => cap.Content?.MissingBytes),
            new("contentError", cap => cap.Content?.LastError), new("contentNextTry", cap => cap.Content?.NextTry),
            new("level", cap => cap.Load?.Level), new("limit", cap => cap.Load?.Limit), new("peakConnections", cap => cap.Load?.PeakConnections), new("refused", cap => cap.Load?.Refused),
            new("devices90Days", cap => cap.Load?.Devices90Days), new("meanHoldSeconds", cap => cap.Load?.MeanHoldSeconds), new("pollIntervalSeconds", cap => cap.Load?.PollIntervalSeconds),
        ],
        ApiJson.Default, $"No client access point. Add one: {host.Command} cap add PATH");

    /// <summary>The site's, and the clients' where they have their own.</summary>
    private static string? Accounts(CapRow cap)
    {
        if (cap.Accounts is null)
            return null;
        return cap.ClientAccounts is null || cap.ClientAccounts.SequenceEqual(cap.Accounts, StringComparer.Ordinal) ? Names(cap.Accounts)
            : $"{Names(cap.Accounts)}; clients: {Names(cap.ClientAccounts)}";

        string Names(IEnumerable<string> names) =>
            string.Join(", ", names.Select(name => cap.UnreadableAccounts?.Contains(name, StringComparer.Ordinal) == true ? $"{name} (unreadable)" : name));
    }

    private static readonly Listing<CapCheckLine> CheckLines = new(
        [new("STATE", line => line.State, NoWrap: true), new("CHECK", line => line.Name), new("DETAIL", line => line.Detail)],
        [new("name", line => line.Name), new("state", line => line.State), new("detail", line => line.Detail)],
        ApiJson.Default, "Nothing was checked.");

    private static Verb Add(CliHost host)
    {
        var site = new SiteLocation();
        var path = Arguments.Path(host, description: "A NAL path in either form, or a directory of this machine; made when it is not there");
        var licensing = new Option<string?>("--licensing")
        {
            Description = "How the server counts: per-server:N connections or per-seat:N devices (default unlimited)",
            HelpName = "per-server:N|per-seat:N|unlimited",
        };
        var alias = new Option<string[]>("--alias")
        {
            Description = "Another name or address of the server, so that clients do not take it for a second one; may be repeated, replaces those before; - for none",
            HelpName = "NAME",
            AllowMultipleArgumentsPerToken = false,
        };
        var headroom = Arguments.WholeNumber("--headroom", "Connections of the limit that are left to others (default 0)", 0, LicensingMode.MaxLimit - 1);
        // Of a CAP that is on the list, only what is given is known here: the site judges the rest.
        licensing.Validators.Add(result =>
        {
            var given = result.GetResult(headroom) is { } beside && !beside.Errors.Any() ? result.GetValue(headroom) : null;
            if (Licensing.Fault(LicensingTerms.None.With(result.Tokens[0].Value, given)) is { } fault)
                result.AddError(fault);
        });
        var account = new Credentials("", "CAPSTAN_PASSWORD", "The site's account at the server; its clients use it, too, unless they get their own", takesTicket: false);
        var clients = new Credentials("client-", "CAPSTAN_CLIENT_PASSWORD", "The clients' own account at the server, with fewer rights", takesTicket: false);
        return new Verb("add", "Give the site a client access point, and print how to set its rights; of one that it has, change licensing, or add another account", "capstan cap add /srv/cap",
                "capstan cap add /srv/cap --licensing per-server:20 --headroom 5",
                @"capstan cap add 'MSWNET:[""SMS_SITE=ABC""]\\fs1\cap\' --account capsite --password-file F --client-account capclient --client-password-file G")
            .With(path, licensing, headroom, alias).With([.. account.Options, .. clients.Options, .. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var request = new CapAdd(parse.GetRequiredValue(path).ToString(), parse.GetValue(licensing), parse.GetValue(headroom),
                    await account.ReadAsync(parse, host, cancellationToken) is { } own ? new CapAccount(own.Name, own.Password) : null,
                    await clients.ReadAsync(parse, host, cancellationToken) is { } theirs ? new CapAccount(theirs.Name, theirs.Password) : null,
                    parse.GetValue(alias) is { Length: > 0 } names ? names is ["-"] ? [] : names : null);
                var added = await host.WithProgressAsync("adding and publishing", () => api.AddCapAsync(request, cancellationToken));
                await host.Out.WriteLineAsync(VisibleText.Of(added.Changes is { } changes
                    ? $"Changed {added.Cap.Path} ({added.Cap.State}): {string.Join("; ", changes)}."
                    : $"Added {added.Cap.Path} ({added.Cap.State})."));
                foreach (var line in added.Recipe)
                    await host.Out.WriteLineAsync(VisibleText.Of(line));
                if (added.Cap.LastError is not { } error)
                    return ExitCode.Done;
                await host.Error.WriteLineAsync($"capstan: it is on the list, but nothing could be published there: {VisibleText.Of(error)} Remove the cause, then: {host.Command} cap publish");
                return Failures.OfStorage(added.Cap.ErrorCode);
            }));
    }

    private static Verb List(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        return new Verb("list", "Client access points and how they do", "capstan cap list", "capstan cap list -o json")
            .With(output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await Rows(host).WriteAsync(host, parse.GetValue(output), await api.CapsAsync(cancellationToken));
                return ExitCode.Done;
            }));
    }

    private static Verb Check(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var path = Arguments.Path(host, description: "One of the site's client access points, as `cap list` shows it");
        return new Verb("check", "Verify what is published there, and try what clients do: on a share with the clients' account", "capstan cap check /srv/cap")
            .With(path, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var check = await host.WithProgressAsync("checking", () => api.CheckCapAsync(parse.GetRequiredValue(path).ToString(), cancellationToken));
                await CheckLines.WriteAsync(host, parse.GetValue(output), check.Lines, check);
                return check.Ok ? ExitCode.Done : ExitCode.Failed;
            }));
    }

    private static Verb Publish(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        return new Verb("publish", "Publish to every client access point now", "capstan cap publish")
            .With(output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var rows = await host.WithProgressAsync("publishing", () => api.PublishAsync(cancellationToken));
                await Rows(host).WriteAsync(host, parse.GetValue(output), rows);
                return rows.All(row => row.LastError is null) ? ExitCode.Done : ExitCode.Failed;
            }));
    }
}
