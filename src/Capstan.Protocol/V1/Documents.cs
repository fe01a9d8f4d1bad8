using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Capstan.Protocol.V1;

/// <summary>Every kind of document of version 1, with its limits (docs/protocol.md lists them).</summary>
public static class Documents
{
    private const int KiB = 1 << 10;
    private const int MiB = 1 << 20;

    private static readonly JsonSerializerOptions Options = new(DocumentsJson.Default.Options)
    {
        TypeInfoResolver = DocumentsJson.Default.WithAddedModifier(RequireAllButNullable),
        AllowDuplicateProperties = false,
        MaxDepth = JsonLimits.MaxDepth,
    };

    public static DocumentKind<SiteDescription> SiteDescription { get; } =
        Kind<SiteDescription>("site description", new JsonLimits(64 * KiB, 1_000, 100), (document, problems) => document.Check(problems));

    public static DocumentKind<CapList> CapList { get; } =
        Kind<CapList>("CAP list", new JsonLimits(MiB, 50_000, V1.CapList.MaxCaps), (document, problems) => document.Check(problems));

    public static DocumentKind<Policy> Policy { get; } =
        Kind<Policy>("policy", new JsonLimits(512 * KiB, 20_000, Problems.MaxList), (document, problems) => document.Check(problems));

    public static DocumentKind<PolicySecrets> PolicySecrets { get; } =
        Kind<PolicySecrets>("policy secrets", new JsonLimits(64 * KiB, 1_000, V1.PolicySecrets.MaxAccounts), (document, problems) => document.Check(problems));

    public static DocumentKind<ClientBuilds> ClientBuilds { get; } =
        Kind<ClientBuilds>("client builds", new JsonLimits(512 * KiB, 10_000, V1.ClientBuilds.MaxBuilds), (document, problems) => document.Check(problems));

    public static DocumentKind<PackageManifest> PackageManifest { get; } =
        Kind<PackageManifest>("package manifest", new JsonLimits(512 * KiB, 50_000, Content.ContentFormat.MaxTreeChunks), (document, problems) => document.Check(problems));

    public static DocumentKind<Receipts> Receipts { get; } =
        Kind<Receipts>("receipts", new JsonLimits(ReceiptsCodec.MaxBytes, 50_000, Problems.MaxList), (document, problems) => document.Check(problems));

    public static DocumentKind<EnrolmentToken> EnrolmentToken { get; } =
        Kind<EnrolmentToken>("enrolment token", new JsonLimits(V1.EnrolmentToken.MaxCharacters, 1_000, V1.EnrolmentToken.MaxCaps), (document, problems) => document.Check(problems));

    public static DocumentKind<Upload> Upload { get; } =
        Kind<Upload>("upload", new JsonLimits(UploadCodec.MaxJsonBytes, 2_000_000, V1.Upload.MaxItems), (document, problems) => document.Check(problems));

    public static DocumentKind<ConfigurationRequest> ConfigurationRequest { get; } =
        Kind<ConfigurationRequest>(ItemKind.ConfigurationRequest, new JsonLimits(64 * KiB, 1_000, 100), (document, problems) => document.Check(problems));

    public static DocumentKind<Heartbeat> Heartbeat { get; } =
        Kind<Heartbeat>(ItemKind.Heartbeat, new JsonLimits(256 * KiB, 20_000, 1_000), (document, problems) => document.Check(problems));

    public static DocumentKind<StatusMessage> StatusMessage { get; } =
        Kind<StatusMessage>(ItemKind.Status, new JsonLimits(64 * KiB, 1_000, 100), (document, problems) => document.Check(problems));

    public static DocumentKind<HardwareInventory> HardwareInventory { get; } =
        Kind<HardwareInventory>(ItemKind.HardwareInventory, new JsonLimits(8 * MiB, 500_000, Problems.MaxList), (document, problems) => document.Check(problems));

    public static DocumentKind<SoftwareInventory> SoftwareInventory { get; } =
        Kind<SoftwareInventory>(ItemKind.SoftwareInventory, new JsonLimits(31 * MiB, 1_500_000, V1.SoftwareInventory.MaxPackages), (document, problems) => document.Check(problems));

    public static DocumentKind<CapUse> CapUse { get; } =
        Kind<CapUse>(ItemKind.CapUse, new JsonLimits(2 * MiB, 10_000, V1.CapUse.MaxHours), (document, problems) => document.Check(problems));

    public static DocumentKind<SealingKeyChange> SealingKeyChange { get; } =
        Kind<SealingKeyChange>(ItemKind.SealingKey, new JsonLimits(4 * KiB, 100, 10), (document, problems) => document.Check(problems));

    public static DocumentKind<Diagnosis> Diagnosis { get; } =
        Kind<Diagnosis>(ItemKind.Diagnosis, new JsonLimits(MiB, 5_000, V1.Diagnosis.MaxLines), (document, problems) => document.Check(problems));

    public static DocumentKind<Advertisement> Advertisement { get; } =
        Kind<Advertisement>("advertisement", new JsonLimits(256 * KiB, 5_000, 1_000), (document, problems) => document.Check(problems));

    public static DocumentKind<ProgramsReport> ProgramsReport { get; } =
        Kind<ProgramsReport>(ItemKind.Programs, new JsonLimits(4 * MiB, 50_000, V1.ProgramsReport.MaxAdvertisements), (document, problems) => document.Check(problems));

    public static DocumentKind<Departure> Departure { get; } =
        Kind<Departure>(ItemKind.Departure, new JsonLimits(4 * KiB, 100, 10), (document, problems) => document.Check(problems));

    private static DocumentKind<T> Kind<T>(string name, JsonLimits limits, Action<T, Problems> check) where T : class =>
        new(name, (JsonTypeInfo<T>)Options.GetTypeInfo(typeof(T)), limits, check);

    /// <summary>The one rule of presence: what may be null may be omitted, everything else must be there.</summary>
    /// <remarks>The generator would give an omitted init-only member the type's zero, not its initializer: an interval of 0 s, a list of null.</remarks>
    private static void RequireAllButNullable(JsonTypeInfo type)
    {
        foreach (var property in type.Properties)
            property.IsRequired = property.PropertyType.IsValueType ? Nullable.GetUnderlyingType(property.PropertyType) is null : !property.IsSetNullable;
    }
}
