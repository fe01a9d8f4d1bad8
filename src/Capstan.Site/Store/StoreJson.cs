using System.Text.Json.Serialization;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Load;

namespace Capstan.Site.Store;

/// <summary>Small lists that the store keeps as JSON text, and the site's own documents.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = false)]
[JsonSerializable(typeof(IReadOnlyList<string>))]
[JsonSerializable(typeof(IReadOnlyList<ComponentState>))]
[JsonSerializable(typeof(IReadOnlyList<UnreadSource>))]
[JsonSerializable(typeof(IReadOnlyList<Speaker>))]
[JsonSerializable(typeof(IReadOnlyList<PolicySetting>))]
[JsonSerializable(typeof(IReadOnlyList<BuildFile>))]
[JsonSerializable(typeof(NativeFile))]
[JsonSerializable(typeof(ProgramRules))]
[JsonSerializable(typeof(Jwk))]
[JsonSerializable(typeof(SiteIdentity))]
internal sealed partial class StoreJson : JsonSerializerContext;
