using System.Text.Json;
using System.Text.Json.Serialization;

namespace Capstan.Protocol.V1;

/// <summary>Serializers of all documents: camelCase, nulls omitted, unknown members ignored (a newer minor version may add some).</summary>
/// <remarks>Writing and reading go through <see cref="Documents"/>, which adds the limits and the rule of presence; reading with this context alone knows neither.</remarks>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(SiteDescription))]
[JsonSerializable(typeof(CapList))]
[JsonSerializable(typeof(Policy))]
[JsonSerializable(typeof(PolicySecrets))]
[JsonSerializable(typeof(ClientBuilds))]
[JsonSerializable(typeof(PackageManifest))]
[JsonSerializable(typeof(Receipts))]
[JsonSerializable(typeof(EnrolmentToken))]
[JsonSerializable(typeof(Upload))]
[JsonSerializable(typeof(ConfigurationRequest))]
[JsonSerializable(typeof(FormerIdentity))]
[JsonSerializable(typeof(Heartbeat))]
[JsonSerializable(typeof(StatusMessage))]
[JsonSerializable(typeof(HardwareInventory))]
[JsonSerializable(typeof(SoftwareInventory))]
[JsonSerializable(typeof(CapUse))]
[JsonSerializable(typeof(SealingKeyChange))]
[JsonSerializable(typeof(Diagnosis))]
[JsonSerializable(typeof(Advertisement))]
[JsonSerializable(typeof(ProgramsReport))]
[JsonSerializable(typeof(Departure))]
public sealed partial class DocumentsJson : JsonSerializerContext;
