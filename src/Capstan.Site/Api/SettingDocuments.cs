namespace Capstan.Site.Api;

/// <summary>GET /api/v1/settings: every setting that there is, and what is set for whom.</summary>
public sealed record SettingsDocument(IReadOnlyList<SettingDefinitionRow> Definitions, IReadOnlyList<SettingValueRow> Values);

/// <param name="Range">What is allowed, for a person.</param>
/// <param name="Unit"><c>s</c>, <c>By</c>, or empty for words.</param>
/// <param name="Default">As a value; <paramref name="DefaultText"/> the same for a person.</param>
public sealed record SettingDefinitionRow(string Name, string Description, string Range, string Unit, string Default, string DefaultText);

/// <param name="Scope"><c>site</c>, <c>group:NAME</c> or <c>client:ID</c>.</param>
public sealed record SettingValueRow(string Scope, string Name, string Value, string Text, DateTimeOffset SetAt);

/// <summary>PUT /api/v1/settings: for a group, for a client, or without both for all of the site.</summary>
/// <param name="Value">As a person writes it: <c>12h</c>, <c>2MB</c>, <c>off</c>, a word.</param>
public sealed record SettingChange(string Name, string Value, string? Group = null, string? Client = null);

/// <summary>The answer to PUT and DELETE.</summary>
/// <param name="Clients">Approved clients for which something else holds now.</param>
public sealed record SettingChanged(string Scope, string Name, string Value, string Text, int Clients);

/// <summary>GET /api/v1/groups, the strongest first.</summary>
/// <param name="Rule">Null for named members only.</param>
/// <param name="Members">Approved clients.</param>
public sealed record GroupSummary(string Name, int Priority, string? Rule, int Members, DateTimeOffset AddedAt);

/// <summary>POST /api/v1/groups: what is null stays as it is.</summary>
/// <param name="Priority">0 to 1,000, by default 0.</param>
/// <param name="Rule">For example <c>host:LAB-</c>.</param>
/// <param name="Members">Device ids to add by name.</param>
public sealed record GroupSave(string Name, int? Priority = null, string? Rule = null, IReadOnlyList<string>? Members = null);

/// <param name="Clients">Approved clients for which something else holds now.</param>
public sealed record GroupSaved(string Name, int Clients);

/// <summary>GET /api/v1/groups/{name}/members</summary>
/// <param name="By"><c>name</c> or <c>rule</c>.</param>
public sealed record GroupMember(string DeviceId, string HostName, string By)
{
    public const string Named = "name";
    public const string Rule = "rule";
}

/// <summary>A setting as it holds for one client.</summary>
/// <param name="From"><c>default</c>, <c>site</c>, <c>group:NAME</c> or <c>client</c>.</param>
public sealed record ClientSettingRow(string Name, string Value, string Text, string From)
{
    public const string Default = "default";
}
