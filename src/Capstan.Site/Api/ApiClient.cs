using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Capstan.Site.Api;

/// <summary>The administrator's side of <c>/api/v1</c>, as the command line and the console use it. Thread-safe.</summary>
/// <remarks>Every call throws <see cref="ApiException"/> when the site refuses, and <see cref="HttpRequestException"/> when it does not answer.</remarks>
public sealed class ApiClient(HttpClient http)
{
    /// <summary>A client of the site at <paramref name="site"/>, for example <c>http://127.0.0.1:8750</c>. The caller disposes the returned <c>Http</c>.</summary>
    /// <param name="fingerprint">SHA-256 of the only certificate that is the site's, 64 hexadecimal digits; null for one that this machine trusts.</param>
    public static (ApiClient Api, HttpClient Http) Create(Uri site, string token, string? fingerprint = null)
    {
        // The token goes to the site and to nobody else: no proxy of the environment, no redirection.
        var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false };
        if (fingerprint is not null)
        {
#pragma warning disable MA0039 // Nobody vouches for a certificate of the site's own; whoever gives its fingerprint does, for this one and no other.
            handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                string.Equals(certificate?.GetCertHashString(HashAlgorithmName.SHA256), fingerprint, StringComparison.OrdinalIgnoreCase);
#pragma warning restore MA0039
        }
        // A package takes as long as it takes; every other request has its limit in RequestAsync.
        var http = new HttpClient(handler) { BaseAddress = site, Timeout = Timeout.InfiniteTimeSpan };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return (new ApiClient(http), http);
    }

    public Task<Overview> OverviewAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/overview", ApiJson.Default.Overview, cancellationToken);

    public Task<IReadOnlyList<HealthCondition>> HealthAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/health", ApiJson.Default.IReadOnlyListHealthCondition, cancellationToken);

    /// <param name="state">One of the states of <see cref="ClientSummary"/>; null for all.</param>
    /// <param name="filter">Part of host name, id, operating system or model; null for all.</param>
    /// <param name="sort"><c>host</c> (default), <c>id</c>, <c>seen</c>, <c>state</c>, <c>os</c>, <c>model</c>, <c>memory</c>, <c>packages</c>; a leading <c>-</c> turns it round.</param>
    /// <param name="cursor"><see cref="Page{T}.Next"/> of the page before; null for the first.</param>
    /// <param name="limit">1 to 1,000; null for 100.</param>
    public Task<Page<ClientSummary>> ClientsAsync(string? state, string? filter, string? sort, string? cursor, int? limit, CancellationToken cancellationToken) =>
        GetAsync(Query("api/v1/clients", ("state", state), ("filter", filter), ("sort", sort), ("cursor", cursor), ("limit", Text(limit))),
            ApiJson.Default.PageClientSummary, cancellationToken);

    /// <param name="id">A whole device id, or a fingerprint or beginning of one that only one client has.</param>
    public Task<ClientDetail> ClientAsync(string id, CancellationToken cancellationToken) =>
        GetAsync($"api/v1/clients/{Uri.EscapeDataString(id)}", ApiJson.Default.ClientDetail, cancellationToken);

    public Task<ClientSummary> ApproveAsync(string id, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, $"api/v1/clients/{Uri.EscapeDataString(id)}/approve", null, ApiJson.Default.ClientSummary, cancellationToken);

    public Task<ClientSummary> ResyncAsync(string id, CancellationToken cancellationToken) => OrderAsync(id, "resync", cancellationToken);

    /// <summary>Orders a client to make a new sealing key.</summary>
    public Task<ClientSummary> RekeyAsync(string id, CancellationToken cancellationToken) => OrderAsync(id, "rekey", cancellationToken);

    /// <summary>Orders a client to report what it knows of itself.</summary>
    public Task<ClientSummary> DiagnoseAsync(string id, CancellationToken cancellationToken) => OrderAsync(id, "diagnose", cancellationToken);

    public Task<ClientDiagnosis> DiagnosisAsync(string id, CancellationToken cancellationToken) =>
        GetAsync($"api/v1/clients/{Uri.EscapeDataString(id)}/diagnosis", ApiJson.Default.ClientDiagnosis, cancellationToken);

    public Task<ClientSummary> RetireAsync(string id, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, $"api/v1/clients/{Uri.EscapeDataString(id)}/retire", null, ApiJson.Default.ClientSummary, cancellationToken);

    public Task<ClientHealthPage> ClientHealthAsync(string? severity, string? filter, string? cursor, int? limit, CancellationToken cancellationToken) =>
        GetAsync(Query("api/v1/client-health", ("severity", severity), ("filter", filter), ("cursor", cursor), ("limit", Text(limit))), ApiJson.Default.ClientHealthPage, cancellationToken);

    public Task<IReadOnlyList<BoundaryRow>> BoundariesAsync(CancellationToken cancellationToken) => GetAsync("api/v1/boundaries", ApiJson.Default.IReadOnlyListBoundaryRow, cancellationToken);

    public Task<BoundaryRow> AddBoundaryAsync(BoundaryAdd boundary, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, "api/v1/boundaries", JsonContent.Create(boundary, ApiJson.Default.BoundaryAdd), ApiJson.Default.BoundaryRow, cancellationToken);

    public async Task RemoveBoundaryAsync(string range, string? cap, CancellationToken cancellationToken) =>
        (await RequestAsync(HttpMethod.Delete, Query("api/v1/boundaries", ("range", range), ("cap", cap)), null, cancellationToken)).Dispose();

    public Task<SettingsDocument> SettingsAsync(CancellationToken cancellationToken) => GetAsync("api/v1/settings", ApiJson.Default.SettingsDocument, cancellationToken);

    public Task<SettingChanged> SetAsync(SettingChange change, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, "api/v1/settings", JsonContent.Create(change, ApiJson.Default.SettingChange), ApiJson.Default.SettingChanged, cancellationToken);

    /// <param name="collection">Null, with <paramref name="client"/> null, too, for what is set for all of the site.</param>
    public Task<SettingChanged> ClearAsync(string name, string? collection, string? client, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Delete, Query("api/v1/settings", ("name", name), ("collection", collection), ("client", client)), null, ApiJson.Default.SettingChanged, cancellationToken);

    public Task<IReadOnlyList<CollectionSummary>> CollectionsAsync(CancellationToken cancellationToken) => GetAsync("api/v1/collections", ApiJson.Default.IReadOnlyListCollectionSummary, cancellationToken);

    public Task<CollectionSummary> CollectionAsync(string name, CancellationToken cancellationToken) => GetAsync(Collection(name), ApiJson.Default.CollectionSummary, cancellationToken);

    public Task<CollectionSaved> CreateCollectionAsync(CollectionCreate collection, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, "api/v1/collections", JsonContent.Create(collection, ApiJson.Default.CollectionCreate), ApiJson.Default.CollectionSaved, cancellationToken);

    public Task<CollectionSaved> EditCollectionAsync(string name, CollectionEdit edit, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, Collection(name), JsonContent.Create(edit, ApiJson.Default.CollectionEdit), ApiJson.Default.CollectionSaved, cancellationToken);

    public Task<CollectionSaved> RemoveCollectionAsync(string name, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Delete, Collection(name), null, ApiJson.Default.CollectionSaved, cancellationToken);

    public Task<Page<CollectionMember>> CollectionMembersAsync(string name, string? cursor, int? limit, CancellationToken cancellationToken) =>
        GetAsync(Query($"{Collection(name)}/members", ("cursor", cursor), ("limit", Text(limit))), ApiJson.Default.PageCollectionMember, cancellationToken);

    /// <summary>Makes clients members by name, or no longer: all of it, or nothing.</summary>
    public Task<CollectionSaved> ChangeCollectionMembersAsync(string name, CollectionMembersChange change, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, $"{Collection(name)}/members", JsonContent.Create(change, ApiJson.Default.CollectionMembersChange), ApiJson.Default.CollectionSaved, cancellationToken);

    /// <summary>Members by name leave one collection and come to another at once.</summary>
    public Task<CollectionMoved> MoveCollectionMembersAsync(string name, CollectionMove move, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, $"{Collection(name)}/move", JsonContent.Create(move, ApiJson.Default.CollectionMove), ApiJson.Default.CollectionMoved, cancellationToken);

    /// <param name="query">Null for the query that it has.</param>
    public Task<CollectionPreview> PreviewCollectionAsync(string name, string? query, CancellationToken cancellationToken) =>
        GetAsync(Query($"{Collection(name)}/preview", ("query", query)), ApiJson.Default.CollectionPreview, cancellationToken);

    /// <param name="limit">1 to 1,000; null for 100.</param>
    public Task<QueryAnswer> QueryAsync(string query, int? limit, CancellationToken cancellationToken) =>
        GetAsync(Query("api/v1/query", ("query", query), ("limit", Text(limit))), ApiJson.Default.QueryAnswer, cancellationToken);

    public Task<IReadOnlyList<ProgramSummary>> ProgramsAsync(CancellationToken cancellationToken) => GetAsync("api/v1/programs", ApiJson.Default.IReadOnlyListProgramSummary, cancellationToken);

    public Task<ProgramSummary> CreateProgramAsync(ProgramCreate program, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, "api/v1/programs", JsonContent.Create(program, ApiJson.Default.ProgramCreate), ApiJson.Default.ProgramSummary, cancellationToken);

    /// <param name="program">PACKAGE/PROGRAM, by id or name.</param>
    public async Task RemoveProgramAsync(string program, CancellationToken cancellationToken) =>
        (await RequestAsync(HttpMethod.Delete, Query("api/v1/programs", ("program", program)), null, cancellationToken)).Dispose();

    public Task<IReadOnlyList<AdvertisementSummary>> AdvertisementsAsync(CancellationToken cancellationToken) => GetAsync("api/v1/advertisements", ApiJson.Default.IReadOnlyListAdvertisementSummary, cancellationToken);

    public Task<AdvertisementDetail> AdvertisementAsync(string id, CancellationToken cancellationToken) => GetAsync(Advertisement(id), ApiJson.Default.AdvertisementDetail, cancellationToken);

    public Task<AdvertisementSaved> AdvertiseAsync(AdvertisementCreate advertisement, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, "api/v1/advertisements", JsonContent.Create(advertisement, ApiJson.Default.AdvertisementCreate), ApiJson.Default.AdvertisementSaved, cancellationToken);

    public Task<AdvertisementSaved> EditAdvertisementAsync(string id, AdvertisementEdit edit, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, Advertisement(id), JsonContent.Create(edit, ApiJson.Default.AdvertisementEdit), ApiJson.Default.AdvertisementSaved, cancellationToken);

    /// <param name="because">For people; null for none.</param>
    public Task<AdvertisementSaved> HaltAdvertisementAsync(string id, string? because, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, $"{Advertisement(id)}/halt", JsonContent.Create(new AdvertisementHalt(because), ApiJson.Default.AdvertisementHalt), ApiJson.Default.AdvertisementSaved, cancellationToken);

    public Task<AdvertisementSaved> ResumeAdvertisementAsync(string id, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, $"{Advertisement(id)}/resume", null, ApiJson.Default.AdvertisementSaved, cancellationToken);

    public Task<AdvertisementSaved> RemoveAdvertisementAsync(string id, AdvertisementRemoval removal, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Delete, Query(Advertisement(id), ("keep", removal.Keep ? "true" : null), ("confirmed", removal.Confirmed ? "true" : null), ("dryRun", removal.DryRun ? "true" : null)), null, ApiJson.Default.AdvertisementSaved, cancellationToken);

    /// <param name="state">One of those of <see cref="AdvertisementClient.State"/>; null for all.</param>
    public Task<Page<AdvertisementClient>> AdvertisementClientsAsync(string id, string? state, string? cursor, int? limit, CancellationToken cancellationToken) =>
        GetAsync(Query($"{Advertisement(id)}/clients", ("state", state), ("cursor", cursor), ("limit", Text(limit))), ApiJson.Default.PageAdvertisementClient, cancellationToken);

    public Task<IReadOnlyList<AdvertisementClient>> ClientAdvertisementsAsync(string client, CancellationToken cancellationToken) =>
        GetAsync($"api/v1/clients/{Uri.EscapeDataString(client)}/advertisements", ApiJson.Default.IReadOnlyListAdvertisementClient, cancellationToken);

    /// <param name="advertisement">Its id, or its name where only one has it.</param>
    public Task<WhyDocument> WhyAsync(string client, string advertisement, CancellationToken cancellationToken) =>
        GetAsync(Query("api/v1/why", ("client", client), ("advertisement", advertisement)), ApiJson.Default.WhyDocument, cancellationToken);

    public Task<IReadOnlyList<QueryAttributeRow>> QueryAttributesAsync(CancellationToken cancellationToken) => GetAsync("api/v1/query/attributes", ApiJson.Default.IReadOnlyListQueryAttributeRow, cancellationToken);

    public Task<Page<StatusRow>> StatusAsync(string? client, string? severity, string? cursor, int? limit, CancellationToken cancellationToken) =>
        GetAsync(Query("api/v1/status", ("client", client), ("severity", severity), ("cursor", cursor), ("limit", Text(limit))),
            ApiJson.Default.PageStatusRow, cancellationToken);

    public Task<Page<QuarantineRow>> QuarantineAsync(string? cursor, int? limit, CancellationToken cancellationToken) =>
        GetAsync(Query("api/v1/quarantine", ("cursor", cursor), ("limit", Text(limit))), ApiJson.Default.PageQuarantineRow, cancellationToken);

    public Task<IReadOnlyList<CapRow>> CapsAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/caps", ApiJson.Default.IReadOnlyListCapRow, cancellationToken);

    public Task<CapAdded> AddCapAsync(CapAdd cap, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, "api/v1/caps", JsonContent.Create(cap, ApiJson.Default.CapAdd), ApiJson.Default.CapAdded, cancellationToken);

    /// <summary>Takes a CAP off the list that clients get. What lies there is left alone.</summary>
    public async Task RemoveCapAsync(string path, CancellationToken cancellationToken) =>
        (await RequestAsync(HttpMethod.Delete, Query("api/v1/caps", ("path", path)), null, cancellationToken)).Dispose();

    public Task<IReadOnlyList<CapAccountRow>> CapAccountsAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/caps/accounts", ApiJson.Default.IReadOnlyListCapAccountRow, cancellationToken);

    /// <summary>Takes a connection account away from a CAP. At the server nothing changes.</summary>
    /// <param name="role"><c>site</c> or <c>clients</c>; null where the name alone says which one is meant.</param>
    public Task<CapAccountRemoved> RemoveCapAccountAsync(string path, string name, string? role, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Delete, Query("api/v1/caps/accounts", ("path", path), ("name", name), ("role", role)), null, ApiJson.Default.CapAccountRemoved, cancellationToken);

    public Task<CapCheck> CheckCapAsync(string path, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, Query("api/v1/caps/check", ("path", path)), null, ApiJson.Default.CapCheck, cancellationToken);

    /// <summary>What clients used of each CAP's server.</summary>
    /// <param name="path">As the list has it; null for all.</param>
    /// <param name="days">1 to 35; null for 7.</param>
    public Task<IReadOnlyList<CapUsage>> CapUsageAsync(string? path, int? days, CancellationToken cancellationToken) =>
        GetAsync(Query("api/v1/caps/usage", ("path", path), ("days", Text(days))), ApiJson.Default.IReadOnlyListCapUsage, cancellationToken);

    /// <summary>Publishes to every CAP now; the rows say how each went.</summary>
    public Task<IReadOnlyList<CapRow>> PublishAsync(CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, "api/v1/caps/publish", null, ApiJson.Default.IReadOnlyListCapRow, cancellationToken);

    public Task<IReadOnlyList<TokenRow>> TokensAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/tokens", ApiJson.Default.IReadOnlyListTokenRow, cancellationToken);

    public Task<TokenCreated> CreateTokenAsync(TokenRequest request, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, "api/v1/tokens", JsonContent.Create(request, ApiJson.Default.TokenRequest), ApiJson.Default.TokenCreated, cancellationToken);

    public Task<IReadOnlyList<UserRow>> UsersAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/users", ApiJson.Default.IReadOnlyListUserRow, cancellationToken);

    public async Task AddUserAsync(UserAdd user, CancellationToken cancellationToken) =>
        (await RequestAsync(HttpMethod.Post, "api/v1/users", JsonContent.Create(user, ApiJson.Default.UserAdd), cancellationToken)).Dispose();

    public async Task ChangeUserAsync(string name, UserChange change, CancellationToken cancellationToken) =>
        (await RequestAsync(HttpMethod.Put, $"api/v1/users/{Uri.EscapeDataString(name)}", JsonContent.Create(change, ApiJson.Default.UserChange), cancellationToken)).Dispose();

    public async Task RemoveUserAsync(string name, CancellationToken cancellationToken) =>
        (await RequestAsync(HttpMethod.Delete, $"api/v1/users/{Uri.EscapeDataString(name)}", null, cancellationToken)).Dispose();

    public Task<Page<AuditRow>> AuditAsync(string? cursor, int? limit, CancellationToken cancellationToken) =>
        GetAsync(Query("api/v1/audit", ("cursor", cursor), ("limit", Text(limit))), ApiJson.Default.PageAuditRow, cancellationToken);

    public Task<IReadOnlyList<ClientBuildRow>> ClientBuildsAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/client-builds", ApiJson.Default.IReadOnlyListClientBuildRow, cancellationToken);

    /// <summary>Sends one file of a build, as it is; the site packs it. One that is there already is not read.</summary>
    /// <param name="sha256">Of <paramref name="content"/>, which this call disposes.</param>
    public async Task SendClientBuildFileAsync(string sha256, Stream content, CancellationToken cancellationToken)
    {
        using var body = new StreamContent(content);
        (await RequestAsync(HttpMethod.Put, $"api/v1/client-builds/files/{sha256}", body, cancellationToken)).Dispose();
    }

    public Task<ClientBuildRow> AddClientBuildAsync(ClientBuildAdd build, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, "api/v1/client-builds", JsonContent.Create(build, ApiJson.Default.ClientBuildAdd), ApiJson.Default.ClientBuildRow, cancellationToken);

    public async Task RemoveClientBuildAsync(string platform, string version, CancellationToken cancellationToken) =>
        (await RequestAsync(HttpMethod.Delete, Query("api/v1/client-builds", ("platform", platform), ("version", version)), null, cancellationToken)).Dispose();

    public Task<ClientBuildOrdered> UseClientBuildAsync(ClientBuildUse order, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, "api/v1/client-builds/use", JsonContent.Create(order, ApiJson.Default.ClientBuildUse), ApiJson.Default.ClientBuildOrdered, cancellationToken);

    public async Task EndClientBuildAsync(string platform, CancellationToken cancellationToken) =>
        (await RequestAsync(HttpMethod.Delete, Query("api/v1/client-builds/use", ("platform", platform)), null, cancellationToken)).Dispose();

    public Task<IReadOnlyList<PackageRow>> PackagesAsync(CancellationToken cancellationToken) => GetAsync("api/v1/packages", ApiJson.Default.IReadOnlyListPackageRow, cancellationToken);

    /// <param name="package">Its id or its name.</param>
    public Task<PackageDetail> PackageAsync(string package, CancellationToken cancellationToken) => GetAsync($"api/v1/packages/{Uri.EscapeDataString(package)}", ApiJson.Default.PackageDetail, cancellationToken);

    /// <param name="archive">A tar stream; takes as long as it takes.</param>
    /// <param name="uploadId">Letters, digits and hyphens, new for each: <see cref="PackageUploadAsync"/> finds it so. Null when nobody asks.</param>
    public Task<PackageVersionRow> CreatePackageAsync(string name, HttpContent archive, string? uploadId, CancellationToken cancellationToken) =>
        UploadAsync(Query("api/v1/packages", ("name", name)), archive, uploadId, cancellationToken);

    /// <param name="package">Its id or its name.</param>
    /// <param name="archive">As above.</param>
    /// <param name="uploadId">As above.</param>
    public Task<PackageVersionRow> AddPackageVersionAsync(string package, HttpContent archive, string? uploadId, CancellationToken cancellationToken) =>
        UploadAsync($"api/v1/packages/{Uri.EscapeDataString(package)}/versions", archive, uploadId, cancellationToken);

    /// <summary>Where the site lies on its machine, told to that machine alone.</summary>
    public Task<SiteDirectoryRow> SiteDirectoryAsync(CancellationToken cancellationToken) => GetAsync("api/v1/site-directory", ApiJson.Default.SiteDirectoryRow, cancellationToken);

    /// <summary>How an upload is, or what became of it: also when the connection that brought it broke.</summary>
    public Task<PackageUpload> PackageUploadAsync(string uploadId, CancellationToken cancellationToken) => GetAsync($"api/v1/package-uploads/{uploadId}", ApiJson.Default.PackageUpload, cancellationToken);

    /// <param name="package">Its id or its name.</param>
    /// <param name="version">Null for the package with all versions.</param>
    public async Task RemovePackageAsync(string package, int? version, CancellationToken cancellationToken) =>
        (await RequestAsync(HttpMethod.Delete, Query($"api/v1/packages/{Uri.EscapeDataString(package)}", ("version", Text(version))), null, cancellationToken)).Dispose();

    /// <summary>Begins to read every pack again, or joins the run that lasts.</summary>
    public Task<ContentVerification> VerifyContentAsync(CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, "api/v1/content/verify", null, ApiJson.Default.ContentVerification, cancellationToken);

    /// <summary>The run that lasts, or the last one.</summary>
    public Task<ContentVerification> ContentVerificationAsync(CancellationToken cancellationToken) => GetAsync("api/v1/content/verify", ApiJson.Default.ContentVerification, cancellationToken);

    private Task<ClientSummary> OrderAsync(string id, string order, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, $"api/v1/clients/{Uri.EscapeDataString(id)}/{order}", null, ApiJson.Default.ClientSummary, cancellationToken);

    private Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, path, null, type, cancellationToken);

    private async Task<T> SendAsync<T>(HttpMethod method, string path, HttpContent? content, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var response = await RequestAsync(method, path, content, cancellationToken);
        return await DocumentAsync(response, type, cancellationToken);
    }

    /// <summary>The body may take any time; what can be refused without it is refused before it is sent.</summary>
    private async Task<PackageVersionRow> UploadAsync(string path, HttpContent archive, string? uploadId, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = archive };
        request.Headers.ExpectContinue = true;
        if (uploadId is not null)
            request.Headers.Add(Distribution.Content.PackageUploads.Header, uploadId);
        using var response = await RequestAsync(request, isLong: true, cancellationToken);
        return await DocumentAsync(response, ApiJson.Default.PackageVersionRow, cancellationToken);
    }

    private static async Task<T> DocumentAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        await response.Content.ReadFromJsonAsync(type, cancellationToken) ?? throw new ApiException("empty_answer", (int)response.StatusCode, "The site answered without a document.");

    private async Task<HttpResponseMessage> RequestAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative)) { Content = content };
        return await RequestAsync(request, isLong: false, cancellationToken);
    }

    private async Task<HttpResponseMessage> RequestAsync(HttpRequestMessage request, bool isLong, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (!isLong)
            limit.CancelAfter(Patience);
        HttpResponseMessage response;
        try
        {
            response = await http.SendAsync(request, limit.Token);
        }
        catch (OperationCanceledException cause) when (!isLong && !cancellationToken.IsCancellationRequested && limit.IsCancellationRequested)
        {
            throw new TaskCanceledException($"No answer within 100 s.", new TimeoutException(cause.Message, cause));
        }
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
            throw await RefusalAsync(response, cancellationToken);
    }

    /// <summary>For every request but long ones.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(100);

    private static async Task<ApiException> RefusalAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var status = (int)response.StatusCode;
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        try
        {
            if (JsonSerializer.Deserialize(text, ApiJson.Default.Problem) is { Code: not null } problem)
                return new ApiException(problem.Code, status, problem.Detail ?? problem.Title) { ErrorCode = problem.ErrorCode };
        }
        catch (JsonException cause)
        {
            return new ApiException("not_a_site", status, $"The answer (HTTP {status}) is not one of a Capstan site: is something else listening there?", cause);
        }
        return new ApiException("not_a_site", status, $"The answer (HTTP {status}) is not one of a Capstan site: is something else listening there?");
    }

    private static string Advertisement(string id) => $"api/v1/advertisements/{Uri.EscapeDataString(id)}";

    private static string Collection(string name) => $"api/v1/collections/{Uri.EscapeDataString(name)}";

    private static string? Text(int? number) => number?.ToString(CultureInfo.InvariantCulture);

    private static string Query(string path, params ReadOnlySpan<(string Name, string? Value)> parameters)
    {
        var separator = '?';
        foreach (var (name, value) in parameters)
        {
            if (value is null)
                continue;
            path += $"{separator}{name}={Uri.EscapeDataString(value)}";
            separator = '&';
        }
        return path;
    }
}

/// <summary>The site refused a request; the message is one line with cause and next step.</summary>
public sealed class ApiException(string code, int status, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Stable, for example <c>not_found</c>, <c>unauthorized</c>, <c>ambiguous_id</c>.</summary>
    public string Code { get; } = code;

    /// <summary>What the storage answered, as in <see cref="CapRow.ErrorCode"/>; null when it was not the storage that refused.</summary>
    public string? ErrorCode { get; init; }

    /// <summary>The HTTP status.</summary>
    public int Status { get; } = status;
}
