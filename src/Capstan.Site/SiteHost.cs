using System.Net;
using Capstan.Nal.Arbiter;
using Capstan.Site.Access;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Console;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Fleet;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Site.Publish.Builds;
using Capstan.Site.Publish.Settings;
using Capstan.Site.Status;
using Capstan.Site.Status.Clients;
using Capstan.Site.Store;
using Capstan.Site.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Capstan.Site;

/// <summary>Puts the web application of a site together.</summary>
internal static class SiteHost
{
    /// <summary>Longest request body: 64 KiB; the API takes small documents only.</summary>
    public const int MaxBodyBytes = 64 << 10;

    /// <exception cref="SiteException"><c>needs_tls_and_signin</c> for any address but a loopback one.</exception>
    public static Uri CheckAddress(Uri listen)
    {
        if (!string.Equals(listen.Scheme, Uri.UriSchemeHttp, StringComparison.Ordinal) || listen.AbsolutePath != "/")
            throw new SiteException($"'{listen}' is not an address to listen on: give http://127.0.0.1:PORT.", "bad_listen_address");
        var loopback = listen.IsLoopback || (IPAddress.TryParse(listen.Host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));
        return loopback
            ? listen
            : throw new SiteException($"The site does not listen on {listen.Host} without TLS: give --tls https://{listen.Authority} beside a loopback address, and make a user with `capstan user add NAME --role administrator`.",
                "needs_tls_and_signin");
    }

    /// <exception cref="SiteException"><c>bad_listen_address</c> for what is not https, or has no numeric address.</exception>
    public static IPEndPoint CheckTlsAddress(Uri address) =>
        address.Scheme == Uri.UriSchemeHttps && address.AbsolutePath == "/" && IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip)
            ? new IPEndPoint(ip, address.Port)
            : throw new SiteException($"'{address}' is not an address for TLS: give https://0.0.0.0:8443 for every address of this machine, or one of its own addresses.", "bad_listen_address");

    /// <param name="tls">Where users sign in from other machines; null for this machine only.</param>
    public static WebApplication Build(SiteContext site, ConnectionArbiter arbiter, ApiToken token, Uri address, TlsListener? tls, Func<Task<Uri>> listening, ILoggerFactory loggers)
    {
        // Nothing of the process's surroundings (arguments, environment, appsettings.json) configures a site.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "Capstan.Site", ContentRootPath = site.Directory.Root });
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        if (tls is null)
            builder.WebHost.UseUrls(Urls(address));
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            tls?.Configure(kestrel, address);
            kestrel.Limits.MaxRequestBodySize = MaxBodyBytes;
            // A query of 4,096 characters may be six times as long as it is escaped.
            kestrel.Limits.MaxRequestLineSize = 32 << 10;
            kestrel.AddServerHeader = false;
        });
        var services = builder.Services;
        services.AddSingleton<IMemoryPoolFactory<byte>, ConnectionBlocksFactory>();
        services.AddSingleton(loggers);
        services.AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        services.AddSingleton(site).AddSingleton(site.Site).AddSingleton(site.Database).AddSingleton(site.Time).AddSingleton(token).AddSingleton(arbiter);
        services.AddSingleton<PackageCatalog>().AddSingleton<DeviceStore>().AddSingleton<InventoryStore>().AddSingleton<StatusStore>().AddSingleton<TokenStore>()
            .AddSingleton<CapStore>().AddSingleton<QuarantineStore>().AddSingleton<PublishStore>().AddSingleton<SettingStore>().AddSingleton<WaitingStore>().AddSingleton<AccountStore>().AddSingleton<BuildStore>();
        services.AddSingleton<SiteAccounts>().AddSingleton<CapAccess>().AddSingleton<CapWriter>().AddSingleton<CapSync>().AddSingleton<Housekeeping>().AddSingleton<Publisher>().AddSingleton<TokenIssuer>()
            .AddSingleton<AccountAdministration>().AddSingleton<CapAdministration>().AddSingleton<CapChecker>().AddSingleton<BuildAdministration>()
            .AddSingleton<ClientSettingStore>().AddSingleton<SettingAdministration>().AddSingleton<BoundaryStore>().AddSingleton<BoundaryAdministration>();
        services.AddSingleton<CollectionStore>().AddSingleton<CollectionEvaluator>().AddSingleton<CollectionAdministration>();
        services.AddSingleton<PackFolder>().AddSingleton<ContentStore>().AddSingleton<PackageStore>().AddSingleton<CapContentStore>().AddSingleton<ContentTurn>().AddSingleton<ContentSync>().AddSingleton<ContentKeeper>()
            .AddSingleton<PackLayout>().AddSingleton<ContentVerifier>().AddSingleton<NativePackages>().AddSingleton<PackageUploads>().AddSingleton<HomePacks>().AddSingleton<ContentWay>().AddSingleton<PackageAdministration>();
        services.AddOffers();
        services.AddSingleton<CapUseStore>().AddSingleton<CapLoadReader>().AddSingleton<CapWatch>();
        services.AddLoader();
        services.AddSingleton<CycleHealth>().AddSingleton<HealthReader>();
        services.AddSingleton<ConditionStore>().AddSingleton<ClientHealthStore>().AddSingleton<ClientHealthReader>().AddSingleton<ReportStore>().AddSingleton<DiagnosisReader>();
        services.AddSingleton<UserStore>().AddSingleton<AuditStore>().AddSingleton<AuditTrail>().AddSingleton<Users>().AddSingleton<SignIns>().AddSingleton(new ServedTls(tls));
        services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.TypeInfoResolverChain.Insert(0, ApiJson.Default);
            // What says null where null means nothing is refused by name, before anybody reads it.
            json.SerializerOptions.RespectNullableAnnotations = true;
        });
        // A query or body that does not fit is thrown, so that ApiGuard answers it as every other refusal.
        services.Configure<Microsoft.AspNetCore.Routing.RouteHandlerOptions>(options => options.ThrowOnBadRequest = true);
        services.AddSingleton<SiteFigures>();
        services.AddRouting();
        services.AddOpenApi("v1");
        services.AddConsole();
        services.AddSingleton(new ConsoleApi(listening, token));

        var app = builder.Build();
        app.UseRouting();
        app.UseMiddleware<RequestTrace>();
        app.UseMiddleware<ApiGuard>();
        app.UseMiddleware<AccessGuard>();
        app.UseMiddleware<EntityTags>();
        var api = app.MapGroup("/api/v1").WithMetadata(ApiEndpoint.Mark);
        api.MapSite();
        api.MapClients();
        api.MapClientHealth();
        api.MapClientBuilds();
        api.MapSettings();
        api.MapCollections();
        api.MapOffers();
        api.MapBoundaries();
        api.MapCaps();
        api.MapCapUsage();
        api.MapPackages();
        api.MapAccess();
        app.MapOpenApi("/api/{documentName}/openapi.json").WithMetadata(ApiEndpoint.Mark);
        app.MapGet("/healthz", () => Results.Text("ok")).ExcludeFromDescription().WithMetadata(PublicEndpoint.Mark);
        app.MapMetrics();
        app.MapSignIn(site.Time);
        app.MapConsole(() => app.Services.GetRequiredService<ConsoleApi>().Client, site.Time);
        return app;
    }

    private static string Urls(Uri address) => address.GetLeftPart(UriPartial.Authority);
}
