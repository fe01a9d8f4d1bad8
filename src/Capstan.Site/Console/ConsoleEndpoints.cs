using System.Reflection;
using System.Text;
using Capstan.Site.Access;
using Capstan.Site.Api;
using Capstan.Site.Console.Pages;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Capstan.Site.Console;

/// <summary>The console: pages rendered once by the server from the public REST API, without anything from outside; script only draws what a page says anyway.</summary>
public static class ConsoleEndpoints
{
    private const int RowsPerPage = 100;
    private const int CsvPage = 1000;

    /// <summary>Whose connections are shown first, when nobody asked for a certain CAP's.</summary>
    private static readonly string[] Loaded = ["reached", "near"];

    /// <summary>False where the build could not bring the chart library: pages show their tables then.</summary>
    public static bool HasCharts { get; } = Assembly.GetExecutingAssembly().GetManifestResourceInfo("Console/chart.js") is not null;

    /// <summary>What the pages are rendered with.</summary>
    public static IServiceCollection AddConsole(this IServiceCollection services)
    {
        services.AddRazorComponents();
        return services;
    }

    /// <summary>Maps the pages <c>/</c>, <c>/clients</c>, <c>/clients.csv</c>, <c>/clients/{id}</c>, <c>/clients/{id}/why/{advertisement}</c>, <c>/collections</c>, <c>/software</c>, <c>/advertisements</c>, <c>/health</c>, <c>/health.csv</c>, <c>/caps</c>, <c>/status</c>, <c>/quarantine</c>, <c>/audit</c> and the assets.</summary>
    /// <param name="app">Services need <see cref="AddConsole"/>.</param>
    /// <param name="api">Gives the client of this site's own API; called once per request, after the server has started.</param>
    /// <param name="time">The clock that relative times start from.</param>
    public static void MapConsole(this IEndpointRouteBuilder app, Func<ApiClient> api, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(api);
        ArgumentNullException.ThrowIfNull(time);
        var console = app.MapGroup("").ExcludeFromDescription().AddEndpointFilter(new ConsoleFilter(time));
        console.MapGet("/", (CancellationToken cancellationToken) => Overview(api(), time, cancellationToken));
        console.MapGet("/clients", (string? filter, string? state, string? sort, string? cursor, CancellationToken cancellationToken) =>
            Clients(api(), ClientsView.Of(filter, state, sort, cursor), time, cancellationToken));
        console.MapGet("/clients.csv", (string? filter, string? state, string? sort, CancellationToken cancellationToken) =>
            ClientsCsv(api(), ClientsView.Of(filter, state, sort, cursor: null), cancellationToken));
        console.MapGet("/clients/{id}", (string id, string? software, string? all, CancellationToken cancellationToken) =>
            Client(api(), id, software, all is not null, time, cancellationToken));
        console.MapGet("/clients/{id}/why/{advertisement}", (string id, string advertisement, CancellationToken cancellationToken) => Why(api(), id, advertisement, time, cancellationToken));
        console.MapGet("/collections", (CancellationToken cancellationToken) => Collections(api(), time, cancellationToken));
        console.MapGet("/collections/{name}", (string name, string? cursor, CancellationToken cancellationToken) => Collection(api(), name, cursor, time, cancellationToken));
        console.MapGet("/software", (CancellationToken cancellationToken) => Software(api(), time, cancellationToken));
        console.MapGet("/advertisements", (CancellationToken cancellationToken) => Advertisements(api(), time, cancellationToken));
        console.MapGet("/advertisements/{id}", (HttpContext http, string id, string? state, string? cursor, CancellationToken cancellationToken) => Advertisement(http, api(), id, state, cursor, time, cancellationToken));
        console.MapGet("/health", (string? filter, string? severity, string? cursor, CancellationToken cancellationToken) =>
            Health(api(), HealthView.Of(filter, severity, cursor), time, cancellationToken));
        console.MapGet("/health.csv", (string? filter, string? severity, CancellationToken cancellationToken) =>
            HealthCsv(api(), HealthView.Of(filter, severity, cursor: null), cancellationToken));
        console.MapGet("/caps", (HttpContext http, string? path, CancellationToken cancellationToken) => Caps(http, api(), path, time, cancellationToken));
        console.MapGet("/status", (string? severity, string? cursor, CancellationToken cancellationToken) =>
            Status(api(), severity, cursor, time, cancellationToken));
        console.MapGet("/quarantine", (string? cursor, CancellationToken cancellationToken) => Quarantine(api(), cursor, time, cancellationToken));
        console.MapGet("/audit", (string? cursor, CancellationToken cancellationToken) => Audit(api(), cursor, time, cancellationToken)).WithMetadata(NeedsRole.Administrator);
        var assets = console.MapGroup("/assets").WithMetadata(PublicEndpoint.Mark);
        assets.MapGet("/console.css", () => Asset("console.css", "text/css; charset=utf-8"));
        if (HasCharts)
        {
            assets.MapGet("/chart.js", () => Asset("chart.js", "text/javascript; charset=utf-8"));
            assets.MapGet("/lines.js", () => Asset("lines.js", "text/javascript; charset=utf-8"));
            assets.MapGet("/curve.js", () => Asset("curve.js", "text/javascript; charset=utf-8"));
            assets.MapGet("/capacity.js", () => Asset("capacity.js", "text/javascript; charset=utf-8"));
        }
        assets.MapGet("/icon.svg", () => Asset("icon.svg", "image/svg+xml"));
    }

    private static async Task<IResult> Overview(ApiClient api, TimeProvider time, CancellationToken cancellationToken)
    {
        var data = await api.OverviewAsync(cancellationToken);
        return Page<OverviewPage>(new { Data = data, Now = time.GetUtcNow() });
    }

    private static async Task<IResult> Clients(ApiClient api, ClientsView view, TimeProvider time, CancellationToken cancellationToken)
    {
        var data = await api.ClientsAsync(view.State, view.Filter, view.Sort, view.Cursor, RowsPerPage, cancellationToken);
        return Page<ClientsPage>(new { Data = data, View = view, Now = time.GetUtcNow() });
    }

    private static Task<IResult> ClientsCsv(ApiClient api, ClientsView view, CancellationToken cancellationToken) =>
        CsvAsync("clients.csv", ClientColumns, cursor => api.ClientsAsync(view.State, view.Filter, view.Sort, cursor, CsvPage, cancellationToken));

    private static async Task<IResult> Health(ApiClient api, HealthView view, TimeProvider time, CancellationToken cancellationToken)
    {
        var data = await api.ClientHealthAsync(view.Severity, view.Filter, view.Cursor, RowsPerPage, cancellationToken);
        return Page<HealthPage>(new { Data = data, View = view, Now = time.GetUtcNow() });
    }

    private static Task<IResult> HealthCsv(ApiClient api, HealthView view, CancellationToken cancellationToken) => CsvAsync("health.csv", HealthColumns, async cursor =>
    {
        var page = await api.ClientHealthAsync(view.Severity, view.Filter, cursor, CsvPage, cancellationToken);
        return new Page<ClientHealthRow>(page.Rows, page.Next);
    });

    /// <summary>The first page is read before the answer begins, so that a refusal is still a page that says why.</summary>
    private static async Task<IResult> CsvAsync<T>(string name, IReadOnlyList<(string Name, Func<T, object?> Value)> columns, Func<string?, Task<Page<T>>> read)
    {
        var first = await read(null);
        return Results.Stream(async body =>
        {
            var writer = new StreamWriter(body, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
            await using (writer)
            {
                await writer.WriteAsync(Csv.Line(columns.Select(object? (column) => column.Name)));
                for (var page = first; ;)
                {
                    foreach (var item in page.Items)
                        await writer.WriteAsync(Csv.Line(columns.Select(column => column.Value(item))));
                    if (page.Next is null)
                        break;
                    page = await read(page.Next);
                }
            }
        }, "text/csv; charset=utf-8", name);
    }

    private static async Task<IResult> Client(ApiClient api, string id, string? software, bool all, TimeProvider time, CancellationToken cancellationToken)
    {
        var data = await api.ClientAsync(id, cancellationToken);
        var status = await api.StatusAsync(data.Summary.DeviceId, severity: null, cursor: null, RowsPerPage, cancellationToken);
        return Page<ClientPage>(new
        {
            Data = data,
            Status = status.Items,
            Advertisements = await api.ClientAdvertisementsAsync(data.Summary.DeviceId, cancellationToken),
            SoftwareFilter = string.IsNullOrWhiteSpace(software) ? null : software.Trim(),
            ShowAllSoftware = all,
            Now = time.GetUtcNow(),
        });
    }

    private static async Task<IResult> Why(ApiClient api, string id, string advertisement, TimeProvider time, CancellationToken cancellationToken) =>
        Page<WhyPage>(new { Data = await api.WhyAsync(id, advertisement, cancellationToken), Now = time.GetUtcNow() });

    private static async Task<IResult> Collections(ApiClient api, TimeProvider time, CancellationToken cancellationToken) =>
        Page<CollectionsPage>(new { Rows = await api.CollectionsAsync(cancellationToken), Now = time.GetUtcNow() });

    private static async Task<IResult> Collection(ApiClient api, string name, string? cursor, TimeProvider time, CancellationToken cancellationToken)
    {
        var data = await api.CollectionAsync(name, cancellationToken);
        return Page<CollectionPage>(new { Data = data, Members = await api.CollectionMembersAsync(data.Name, cursor, RowsPerPage, cancellationToken), Cursor = cursor, Now = time.GetUtcNow() });
    }

    private static async Task<IResult> Software(ApiClient api, TimeProvider time, CancellationToken cancellationToken) =>
        Page<SoftwarePage>(new { Packages = await api.PackagesAsync(cancellationToken), Programs = await api.ProgramsAsync(cancellationToken), Now = time.GetUtcNow() });

    private static async Task<IResult> Advertisements(ApiClient api, TimeProvider time, CancellationToken cancellationToken) =>
        Page<AdvertisementsPage>(new { Rows = await api.AdvertisementsAsync(cancellationToken), Now = time.GetUtcNow() });

    private static async Task<IResult> Advertisement(HttpContext http, ApiClient api, string id, string? state, string? cursor, TimeProvider time, CancellationToken cancellationToken)
    {
        var chosen = string.IsNullOrEmpty(state) ? null : state;
        var data = await api.AdvertisementAsync(id, cancellationToken);
        var clients = await api.AdvertisementClientsAsync(id, chosen, cursor, RowsPerPage, cancellationToken);
        if (HasCharts)
            ConsoleFilter.AllowOwnScript(http);
        return Page<AdvertisementPage>(new { Data = data, Clients = clients, State = chosen, Cursor = cursor, HasCharts, Now = time.GetUtcNow() });
    }

    private static async Task<IResult> Caps(HttpContext http, ApiClient api, string? path, TimeProvider time, CancellationToken cancellationToken)
    {
        var caps = await api.CapsAsync(cancellationToken);
        var chosen = path ?? Loaded.Select(level => caps.FirstOrDefault(cap => cap.Load?.Level == level)?.Path).FirstOrDefault(found => found is not null) ?? (caps.Count > 0 ? caps[0].Path : null);
        var usage = chosen is null ? [] : await api.CapUsageAsync(chosen, days: null, cancellationToken);
        if (HasCharts)
            ConsoleFilter.AllowOwnScript(http);
        return Page<CapsPage>(new { Caps = caps, Chosen = usage.Count > 0 ? usage[0] : null, HasCharts, Now = time.GetUtcNow() });
    }

    private static async Task<IResult> Status(ApiClient api, string? severity, string? cursor, TimeProvider time, CancellationToken cancellationToken)
    {
        var chosen = string.IsNullOrEmpty(severity) ? null : severity;
        var data = await api.StatusAsync(client: null, chosen, cursor, RowsPerPage, cancellationToken);
        return Page<StatusPage>(new { Data = data, Severity = chosen, Cursor = cursor, Now = time.GetUtcNow() });
    }

    private static async Task<IResult> Quarantine(ApiClient api, string? cursor, TimeProvider time, CancellationToken cancellationToken)
    {
        var data = await api.QuarantineAsync(cursor, RowsPerPage, cancellationToken);
        return Page<QuarantinePage>(new { Data = data, Cursor = cursor, Now = time.GetUtcNow() });
    }

    private static async Task<IResult> Audit(ApiClient api, string? cursor, TimeProvider time, CancellationToken cancellationToken)
    {
        var data = await api.AuditAsync(cursor, RowsPerPage, cancellationToken);
        return Page<AuditPage>(new { Data = data, Cursor = cursor, Now = time.GetUtcNow() });
    }

    /// <summary>The columns of a list of clients as comma-separated values: the members of <see cref="ClientSummary"/>, by their JSON names.</summary>
    public static IReadOnlyList<(string Name, Func<ClientSummary, object?> Value)> ClientColumns { get; } =
    [
        ("deviceId", client => client.DeviceId), ("hostName", client => client.HostName), ("state", client => client.State),
        ("fingerprint", client => client.Fingerprint), ("operatingSystem", client => client.OperatingSystem), ("model", client => client.Model),
        ("memoryBytes", client => client.MemoryBytes), ("packageCount", client => client.PackageCount), ("clientVersion", client => client.ClientVersion),
        ("policyVersion", client => client.PolicyVersion), ("sequence", client => client.Sequence), ("requestedAt", client => client.RequestedAt),
        ("approvedAt", client => client.ApprovedAt), ("lastSeen", client => client.LastSeen), ("movedTo", client => client.MovedTo), ("movedAt", client => client.MovedAt),
    ];

    /// <summary>The same for <see cref="ClientHealthRow"/>.</summary>
    public static IReadOnlyList<(string Name, Func<ClientHealthRow, object?> Value)> HealthColumns { get; } =
    [
        ("deviceId", row => row.DeviceId), ("hostName", row => row.HostName), ("fingerprint", row => row.Fingerprint), ("state", row => row.State), ("severity", row => row.Severity),
        ("cause", row => row.Cause), ("text", row => row.Text), ("nextStep", row => row.NextStep), ("others", row => string.Join(' ', row.Others)), ("lastSeen", row => row.LastSeen),
        ("heartbeatAt", row => row.HeartbeatAt), ("policyVersion", row => row.PolicyVersion), ("lastError", row => row.LastError), ("lastErrorAt", row => row.LastErrorAt),
    ];

    internal static RazorComponentResult<T> Page<T>(object parameters, int statusCode = StatusCodes.Status200OK) where T : IComponent =>
        new(parameters) { StatusCode = statusCode, PreventStreamingRendering = true };

    private static FileContentHttpResult Asset(string name, string contentType)
    {
        using var resource = Assembly.GetExecutingAssembly().GetManifestResourceStream("Console/" + name)
            ?? throw new InvalidOperationException($"The asset {name} is not in this build.");
        using var content = new MemoryStream();
        resource.CopyTo(content);
        return TypedResults.Bytes(content.ToArray(), contentType);
    }
}
