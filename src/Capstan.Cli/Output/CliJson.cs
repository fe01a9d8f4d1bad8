using System.Text.Json.Serialization;
using Capstan.Cli.Doctor;
using Capstan.Cli.Doctor.Logs;
using Capstan.Cli.Verbs;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Site.Api;

namespace Capstan.Cli.Output;

/// <summary>The documents that only the command line makes; as stable as those of the API.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(IReadOnlyList<NalEntry>))]
[JsonSerializable(typeof(NalEntry))]
[JsonSerializable(typeof(NalExplanation))]
[JsonSerializable(typeof(IReadOnlyList<MachineConnection>))]
[JsonSerializable(typeof(IReadOnlyList<CapSession>))]
[JsonSerializable(typeof(IReadOnlyList<CapReap>))]
[JsonSerializable(typeof(IReadOnlyList<DoctorLine>))]
[JsonSerializable(typeof(LogReport))]
[JsonSerializable(typeof(IReadOnlyList<SettingLine>))]
[JsonSerializable(typeof(IReadOnlyList<ClientSettingRow>))]
[JsonSerializable(typeof(ClientPackage))]
internal sealed partial class CliJson : JsonSerializerContext;
