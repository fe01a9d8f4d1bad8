using System.Text.Json.Serialization;
using Capstan.Client;
using Capstan.Nal.Arbiter.Machine;

namespace Capstan.Agent;

/// <summary>The stable JSON of <c>-o json</c>: camelCase, nulls written, so that a member is always there.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ClientStatus))]
[JsonSerializable(typeof(IReadOnlyList<MachineConnection>))]
[JsonSerializable(typeof(IReadOnlyList<ProgramView>))]
internal sealed partial class AgentJson : JsonSerializerContext;
