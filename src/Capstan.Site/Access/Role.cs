namespace Capstan.Site.Access;

/// <summary>What somebody may do; each includes the one before.</summary>
internal enum Role
{
    /// <summary>Looks at everything but users and the audit log; changes nothing.</summary>
    Reader = 1,
    /// <summary>Also works with clients: approves, retires, publishes, checks.</summary>
    Operator = 2,
    /// <summary>Also changes the site: CAPs, accounts, tokens, users.</summary>
    Administrator = 3,
}

/// <summary>Names of roles, as they stand in the API.</summary>
internal static class Roles
{
    public const string All = "administrator, operator or reader";

    public static string Name(Role role) => role.ToString().ToLowerInvariant();

    public static Role? Parse(string? name) => name switch
    {
        "reader" => Role.Reader,
        "operator" => Role.Operator,
        "administrator" => Role.Administrator,
        _ => null,
    };
}

/// <summary>Who a request comes from.</summary>
/// <param name="Name">Of the user; <see cref="Token"/> or <see cref="Local"/> for who has none.</param>
/// <param name="IsSignedIn">By a session, which can be ended.</param>
internal sealed record Caller(string Name, Role Role, bool IsSignedIn)
{
    /// <summary>Holds the token of the site's directory, and so is its owner.</summary>
    public static readonly Caller Token = new("api-token", Role.Administrator, IsSignedIn: false);

    /// <summary>Somebody at this machine, while there is no user: sees every page, and has nothing of the API, where things are changed.</summary>
    public static readonly Caller Local = new("local", Role.Administrator, IsSignedIn: false);
}
