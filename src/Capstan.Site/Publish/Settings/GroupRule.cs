namespace Capstan.Site.Publish.Settings;

/// <summary>What a rule of a group may look at.</summary>
/// <param name="Token">Label of the token with which the device became a client; null for none.</param>
internal sealed record GroupFacts(string DeviceId, string HostName, string? System, string? Model, string? Token);

/// <summary>A simple rule: an attribute of a device begins with a text, in any case of its letters. Pure.</summary>
internal sealed record GroupRule(string Attribute, string Prefix)
{
    public const string Form = "host:TEXT, system:TEXT, model:TEXT or token:TEXT, for what the attribute begins with";

    /// <summary>Reads <c>host:LAB-</c>. Null for what is no rule: of that, nobody is a member.</summary>
    public static GroupRule? Parse(string? text) =>
        text?.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon && text[..colon] is "host" or "system" or "model" or "token" && text.Length > text.IndexOf(':', StringComparison.Ordinal) + 1
            ? new GroupRule(text[..text.IndexOf(':', StringComparison.Ordinal)], text[(text.IndexOf(':', StringComparison.Ordinal) + 1)..])
            : null;

    public bool Matches(GroupFacts device) => (Attribute switch
    {
        "host" => device.HostName,
        "system" => device.System,
        "model" => device.Model,
        _ => device.Token,
    })?.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) == true;

    public override string ToString() => $"{Attribute}:{Prefix}";
}
