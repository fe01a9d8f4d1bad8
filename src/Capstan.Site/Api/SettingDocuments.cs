namespace Capstan.Site.Api;

/// <summary>GET /api/v1/settings: every setting that there is, and what is set for whom.</summary>
public sealed record SettingsDocument(IReadOnlyList<SettingDefinitionRow> Definitions, IReadOnlyList<SettingValueRow> Values);

/// <param name="Range">What is allowed, for a person.</param>
/// <param name="Unit"><c>s</c>, <c>By</c>, or empty for words.</param>
/// <param name="Default">As a value; <paramref name="DefaultText"/> the same for a person.</param>
public sealed record SettingDefinitionRow(string Name, string Description, string Range, string Unit, string Default, string DefaultText);

/// <param name="Scope"><c>site</c>, <c>collection:NAME</c> or <c>client:ID</c>.</param>
public sealed record SettingValueRow(string Scope, string Name, string Value, string Text, DateTimeOffset SetAt);

/// <summary>PUT /api/v1/settings: for a collection, for a client, or without both for all of the site.</summary>
/// <param name="Value">As a person writes it: <c>12h</c>, <c>2MB</c>, <c>off</c>, a word.</param>
public sealed record SettingChange(string Name, string Value, string? Collection = null, string? Client = null);

/// <summary>The answer to PUT and DELETE.</summary>
/// <param name="Clients">Approved clients for which something else holds now.</param>
public sealed record SettingChanged(string Scope, string Name, string Value, string Text, int Clients);

/// <summary>A setting as it holds for one client.</summary>
/// <param name="From"><c>default</c>, <c>site</c>, <c>collection:NAME</c> or <c>client</c>.</param>
public sealed record ClientSettingRow(string Name, string Value, string Text, string From)
{
    public const string Default = "default";
}
