using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Console;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Capstan.Testing;

/// <summary>Serves the real console and an <c>/api/v1</c> that answers from given records, on a free loopback port.</summary>
public sealed class CannedSite : IAsyncDisposable
{
    public const string ApiToken = "canned-token";

    private readonly WebApplication _app;
    private readonly HttpClient _api;

    private CannedSite(WebApplication app, HttpClient api, Uri address)
    {
        _app = app;
        _api = api;
        Address = address;
    }

    public Uri Address { get; }

    public static async Task<CannedSite> StartAsync(CannedRecords records, TimeProvider time, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddConsole();
        builder.Services.AddRoutingCore();
        var app = builder.Build();
        var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new("Bearer", ApiToken);
        MapApi(app, records);
        app.MapConsole(() => new ApiClient(http), time);
        await app.StartAsync(cancellationToken);
        http.BaseAddress = new Uri(app.Urls.Single());
        return new CannedSite(app, http, http.BaseAddress);
    }

    private static void MapApi(WebApplication app, CannedRecords records)
    {
        var api = app.MapGroup("/api/v1");
        api.AddEndpointFilter(async (context, next) => context.HttpContext.Request.Headers.Authorization == $"Bearer {ApiToken}"
            ? await next(context)
            : Refused(401, "unauthorized", "The request has no valid bearer token."));
        api.MapGet("/overview", () => Results.Json(records.Overview, ApiJson.Default.Overview));
        api.MapGet("/health", () => Results.Json(records.Overview.Conditions, ApiJson.Default.IReadOnlyListHealthCondition));
        api.MapGet("/caps", () => Results.Json(records.Overview.Caps, ApiJson.Default.IReadOnlyListCapRow));
        api.MapGet("/caps/accounts", () => Results.Json(records.Accounts, ApiJson.Default.IReadOnlyListCapAccountRow));
        api.MapDelete("/caps/accounts", (string path, string name, string? role) => Results.Json(records.Removed with { Cap = path, Name = name, Role = role ?? "clients" }, ApiJson.Default.CapAccountRemoved));
        api.MapGet("/caps/usage", (string? path) => Results.Json([.. records.Usage.Where(usage => path is null || usage.Path == path)], ApiJson.Default.IReadOnlyListCapUsage));
        api.MapPost("/caps", () => records.Refusal is { } refusal ? Results.Json(refusal, ApiJson.Default.Problem, "application/problem+json", refusal.Status) : Results.Json(records.Added, ApiJson.Default.CapAdded, statusCode: 201));
        api.MapPost("/caps/check", (string path) => Results.Json(records.Check with { Path = path }, ApiJson.Default.CapCheck));
        api.MapPost("/tokens", (TokenRequest request) => Results.Json(records.Token with { Uses = request.Uses }, ApiJson.Default.TokenCreated));
        api.MapGet("/clients", (string? state, string? filter, string? cursor, int? limit) => Results.Json(
            Page([.. records.Clients.Select(client => client.Summary).Where(client => (state is null || client.State == state)
                && (filter is null || client.HostName.Contains(filter, StringComparison.OrdinalIgnoreCase)))], cursor, limit), ApiJson.Default.PageClientSummary));
        api.MapGet("/clients/{id}", (string id) => records.Clients.FirstOrDefault(client => client.Summary.DeviceId == id || client.Summary.Fingerprint == id) is { } client
            ? Results.Json(client, ApiJson.Default.ClientDetail)
            : Refused(404, "not_found", $"There is no client '{id}'; \"capstan client list\" shows them."));
        api.MapPost("/clients/{id}/approve", (string id) => Results.Json(records.Clients.First(client => client.Summary.Fingerprint == id).Summary with { State = "approved" }, ApiJson.Default.ClientSummary));
        api.MapGet("/status", (string? client, string? severity, string? cursor, int? limit) => Results.Json(
            Page([.. records.Status.Where(row => (client is null || row.DeviceId == client) && (severity is null || row.Severity == severity))], cursor, limit), ApiJson.Default.PageStatusRow));
        api.MapGet("/client-health", (string? severity, string? cursor, int? limit) =>
        {
            var page = Page([.. records.Health.Where(row => severity is null || row.Severity == severity)], cursor, limit);
            return Results.Json(new ClientHealthPage(page.Items, page.Next, records.Clients.Count, records.Health.Count(row => row.Severity == "error"), records.Health.Count(row => row.Severity == "warning"), 0, CannedRecords.Noon.AddDays(-8)), ApiJson.Default.ClientHealthPage);
        });
        CannedOffers.Map(api, records);
        api.MapGet("/quarantine", (string? cursor, int? limit) => Results.Json(Page(records.Quarantine, cursor, limit), ApiJson.Default.PageQuarantineRow));
    }

    private static Page<T> Page<T>(IReadOnlyList<T> items, string? cursor, int? limit)
    {
        var from = cursor is null ? 0 : int.Parse(cursor, System.Globalization.CultureInfo.InvariantCulture);
        var size = limit ?? 100;
        return new Page<T>([.. items.Skip(from).Take(size)], from + size < items.Count ? (from + size).ToString(System.Globalization.CultureInfo.InvariantCulture) : null);
    }

    internal static IResult Refused(int status, string code, string detail) =>
        Results.Json(new Problem("about:blank", "Refused", status, detail, code), ApiJson.Default.Problem, "application/problem+json", status);

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _api.Dispose();
    }
}

/// <summary>What a canned site answers with.</summary>
public sealed record CannedRecords(Overview Overview, IReadOnlyList<ClientDetail> Clients, IReadOnlyList<StatusRow> Status, IReadOnlyList<QuarantineRow> Quarantine)
{
    /// <summary>Noon of the day that the records speak of.</summary>
    public static readonly DateTimeOffset Noon = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    /// <summary>A host name that attacks terminals, tables, markup and web pages at once.</summary>
    public const string HostileName = "\u001b[31mred\u001b[0m<script>alert(1)</script>[bold]x[/]\"'\u202Egnp.exe";

    // First, because the records below are made from it.
    private static SoftwareInventory Software { get; } = new()
    {
        Packages = [.. Enumerable.Range(0, 260).Select(n => new InstalledPackage($"libexample{n}-dev", $"1:2.{n}.0-1+deb12u{n % 7}", n % 5 == 0 ? "all" : "amd64",
            "Debian Example Maintainers <pkg-example@lists.example.org>", 1_790_000_000 + n * 3600, "dpkg", $"Example library number {n}, development files", 1024L * 37 * n))],
    };

    /// <summary>One for each CAP of the overview.</summary>
    public IReadOnlyList<CapUsage> Usage { get; init; } = [];

    /// <summary>Clients that are not well.</summary>
    public IReadOnlyList<ClientHealthRow> Health { get; init; } = [];

    public CapCheck Check { get; init; } = new("", true, [new CapCheckLine("create an upload", "ok", "created"), new CapCheckLine("delete it", "ok", "refused, as it must be")]);

    public CapAdded Added { get; init; } = new(new CapRow(@"LOCAL:\\srv\cap\", null, 0, "ok", Noon, 1, null, 0, null, null), ["chmod 1733 inbox"]);

    /// <summary>Of an added CAP; null adds it.</summary>
    public Problem? Refusal { get; init; }

    public IReadOnlyList<CapAccountRow> Accounts { get; init; } = [new(@"MSWNET:\\fs1\cap\", "clients", "capclient-1", CapAccountRow.Unreadable, Noon.AddDays(-3))];

    public CapAccountRemoved Removed { get; init; } = new("", "", "", ["capclient-2"], 1, ["Clients get capclient-2 alone with their next policy."]);

    public TokenCreated Token { get; init; } = new("t1", "capstan1.secret", Noon.AddDays(7), 1);

    /// <summary>A site that was made a moment ago.</summary>
    public static CannedRecords Empty { get; } = new(new Overview("ABC", 0, 0, 0, 0, 0, [], [], []), [], [], []);

    /// <summary>A site in use, with every kind of trouble and a client that means harm.</summary>
    public static CannedRecords Busy { get; } = MakeBusy();

    private static CannedRecords MakeBusy()
    {
        var clients = new List<ClientDetail>
        {
            Client(0, "lab-01.example.org", "approved", TimeSpan.FromMinutes(3)),
            Client(1, HostileName, "approved", TimeSpan.FromHours(5)),
            Client(2, new string('w', 200) + " grün-日本", "pending", null),
            Client(3, "retired-07", "retired", TimeSpan.FromDays(40)),
        };
        clients.AddRange(Enumerable.Range(4, 140).Select(n => Client(n, $"ws-{n:000}", "approved", TimeSpan.FromMinutes(7 * n))));
        StatusRow[] status =
        [
            new(9, clients[0].Summary.DeviceId, "lab-01.example.org", "error", "cap_unreachable", "CCIM",
                "WaitForCAPAccess - abstract export ABEXPRT:\\\\CAP List for site ABC not accessible: LOCAL:\\\\srv\\cap\\ is not there; next try 12:02:10", Noon.AddMinutes(-4), Noon.AddMinutes(-3), 12),
            new(8, clients[1].Summary.DeviceId, HostileName, "warning", "policy_invalid", "CCIM", $"The policy of {HostileName} could not be verified: its hash differs. The last good one stays.", Noon.AddHours(-1), Noon.AddHours(-1), 1),
            new(7, null, null, "warning", "upload_quarantined", "Loader", "An upload of 12 bytes was set aside: it is not an envelope.", Noon.AddHours(-2), Noon.AddHours(-2), 1),
            new(6, clients[0].Summary.DeviceId, "lab-01.example.org", "information", "inventory_changed", "hardware-inventory", "Memory grew from 8 GiB to 16 GiB.", Noon.AddDays(-1), Noon.AddDays(-1), 1),
        ];
        QuarantineRow[] quarantine =
        [
            new(1, "LOCAL:\\\\srv\\cap\\", "k3fq7zbmk3fq7zbmk3fq7zbmk3fq7zbm-17-1204-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.jwe", "not_an_envelope", "The file is not a JWE: five parts were expected, one was found.", 12, Noon.AddHours(-2)),
            new(2, "LOCAL:\\\\srv\\cap\\", "<img src=x onerror=alert(1)>.jwe", "bad_name", "The name is not that of an upload.", 0, Noon.AddDays(-3)),
        ];
        var load = new CapLoadRow("reached", "MSWNET:[\"SMS_SITE=ABC\"]\\\\fs1\\cap$\\: the server refused clients 9 times in 3 days. About 14 connections at one time were Capstan's in the last week; per-server:20 less a headroom of 5 leaves 15.",
            20, 14, 9, 131, 2.4, 1_572, Noon.AddMinutes(-6))
        { NextStep = "Raise the limit, or add another client access point." };
        var idle = new CapLoadRow("ok", null, null, 0, 0, 0, 2, 300, null);
        CapRow[] caps =
        [
            new("LOCAL:\\\\srv\\cap\\", null, 0, "ok", Noon.AddMinutes(-9), 1_795_348_260, Noon.AddSeconds(-2), 0, null, null) { Load = idle },
            new("MSWNET:[\"SMS_SITE=ABC\"]\\\\fs1\\cap$\\", "per-server:20", 5, "failed", Noon.AddDays(-2), 1_795_200_000, Noon.AddDays(-2), 14, Noon.AddMinutes(5),
                "Connecting to fs1 failed: server FS1 is full (20 of 20 connections; NTSTATUS C00000D0).") { Load = load },
        ];
        HealthCondition[] conditions =
        [
            new("cap_unreachable", "error", "MSWNET:\\\\fs1\\cap$\\ was not reached for 2 days: server FS1 is full (20 of 20 connections).", "Raise the licence count on FS1, or leave Capstan more headroom with \"capstan cap add\"."),
            new("root_key_present", "warning", "The root key lies beside the site's other keys.", "Take keys/root.key.pem to a safe place."),
        ];
        return new CannedRecords(new Overview("ABC", clients.Count, 1, 112, 131, quarantine.Length, caps, status, conditions), clients, status, quarantine)
        {
            Health =
            [
                Unwell(clients[0].Summary, "error", "cap_unreachable", status[0].Text, "Mend the cause that it names; `capstan cap check PATH` tries from here what it tries.", "policy_behind", "clock_wrong"),
                Unwell(clients[1].Summary, "error", "policy_invalid", status[1].Text, "Publish again (`capstan cap publish`). If it returns, somebody alters that CAP: `capstan cap check PATH`."),
                Unwell(clients[40].Summary, "warning", "silent", "Nothing came from it since 2026-11-18 12:00:00 UTC (4 days ago); it reports every 23 h.", "Is it switched on, and can it reach a CAP? On it: `capstan-client status` names the cause and the next try."),
            ],
            Usage = [new CapUsage(caps[0].Path, null, 0, idle, []), new CapUsage(caps[1].Path, caps[1].Licensing, caps[1].Headroom, load, [.. Hours()])],
        };
    }

    private static ClientHealthRow Unwell(ClientSummary client, string severity, string cause, string text, string nextStep, params IReadOnlyList<string> others) =>
        new(client.DeviceId, client.HostName, client.Fingerprint, client.State, severity, cause, text, nextStep, others, client.LastSeen, client.LastSeen?.AddDays(-2), client.PolicyVersion,
            severity == "error" ? text : null, severity == "error" ? client.LastSeen : null);

    /// <summary>Six days, busy by day, with a night of which nobody told and a morning of refusals.</summary>
    private static IEnumerable<CapUsageHour> Hours()
    {
        for (var n = 0; n < 6 * 24; n++)
        {
            var hour = Noon.AddHours(n - 6 * 24);
            if (n is > 60 and < 68)
                continue;
            var mean = Math.Round(Math.Max(0.05, 6.2 * Math.Sin((hour.Hour - 6) * Math.PI / 12)), 3);
            yield return new CapUsageHour(hour, mean, (int)Math.Ceiling(mean + 3.09 * Math.Sqrt(mean)), 40 + n, n is 118 or 119 ? 4 + n % 2 : 0);
        }
    }

    private static ClientDetail Client(int number, string hostName, string state, TimeSpan? ago)
    {
        var id = string.Concat(Enumerable.Range(0, 32).Select(n => "abcdefghijklmnopqrstuvwxyz234567"[(n * 7 + number * (n + 3)) % 32]));
        var known = state != "pending";
        var summary = new ClientSummary(id, hostName, state, $"{id[..4]}-{id[4..8]}", "Debian GNU/Linux 12 (bookworm)", known ? "ThinkCentre M70q Gen 3" : null,
            known ? 16_640_000_000 : null, known ? Software.Packages.Count : null, "0.1.0", known ? 1_795_348_260 : null, known ? 17 : 1, Noon.AddDays(-60),
            known ? Noon.AddDays(-60).AddMinutes(2) : null, ago is null ? null : Noon - ago);
        return new ClientDetail(summary, "lab", ["192.168.1.17", "fe80::5054:ff:fe12:3456"],
            [new ComponentState("hardware-inventory", "ok", null), new ComponentState("software-inventory", "failed", "The rpm database is locked by process 4711.")],
            known ? Hardware(hostName) : null, known ? Noon.AddHours(-5) : null, known ? Software : null, known ? Noon.AddHours(-5) : null);
    }

    private static HardwareInventory Hardware(string hostName) => new()
    {
        System = new ComputerSystem(hostName, "example.org", "LENOVO", "ThinkCentre M70q Gen 3", "PF3XK2A7", "4c4c4544-0042-3510-8054-b7c04f4d3132", null),
        OperatingSystem = new OperatingSystemFacts("Debian GNU/Linux", "12", "debian", "6.1.0-28-amd64", "x86_64", 1_795_000_000, "8f3c", "Europe/Berlin"),
        Bios = new BiosFacts("LENOVO", "M4AKT31A", "2024-05-13"),
        Board = new BoardFacts("LENOVO", "32CB", "SDK0T76463", null),
        Chassis = new ChassisFacts("mini PC", "LENOVO", "PF3XK2A7", "INV-00412"),
        Processors = [new Processor("12th Gen Intel(R) Core(TM) i5-12500T", "GenuineIntel", 6, 12, 4400, 18_874_368)],
        Memory = new MemoryFacts(16_640_000_000, 1_023_406_080, [new MemoryModule("DIMM 0", 17_179_869_184, "DDR4", 3200, "Samsung", "M471A2K43EB1-CWE", null)]),
        Disks = [new Disk("nvme0n1", "SAMSUNG MZVL4512HBLU", "S67WNF0T", 512_110_190_592, "ssd", "nvme", [new Partition("nvme0n1p1", 536_870_912, null, "EFI"), new Partition("nvme0n1p2", 511_500_000_000, "9a31", null)])],
        FileSystems = [new FileSystemFacts("/", "/dev/nvme0n1p2", "ext4", 502_000_000_000, 371_000_000_000, false), new FileSystemFacts("/boot/efi", "/dev/nvme0n1p1", "vfat", 535_000_000, 19_000_000, true)],
        NetworkAdapters = [new NetworkAdapter("enp0s31f6", "52:54:00:12:34:56", "e1000e", true, 1000, 1500, ["192.168.1.17", "fe80::5054:ff:fe12:3456"])],
        PciDevices = [new PciDevice("00:02.0", "8086", "4692", "Display controller", "Intel Corporation", "Alder Lake-S GT1 [UHD Graphics 730]", "i915")],
        UsbDevices = [new UsbDevice("1-2", "046d", "c31c", "Logitech", "USB Keyboard", null)],
        Video = [new VideoAdapter("Alder Lake-S GT1", "i915", ["DP-1"])],
        LoggedOnUsers = [new LoggedOnUser("anna", "tty2", null, 1_795_300_000)],
        Unread = [new UnreadSource("/sys/firmware/dmi/tables/DMI", "Permission denied: only root may read it")],
    };
}
