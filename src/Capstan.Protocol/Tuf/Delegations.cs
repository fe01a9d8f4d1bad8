using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Capstan.Protocol.Tuf;

/// <summary>To whom a targets role hands paths: either a list of roles in order of trust, or bins by the hash of the path (<c>succinct_roles</c>).</summary>
internal sealed record Delegations(IReadOnlyList<DelegatedRole> Roles, SuccinctRoles? Bins)
{
    public static Delegations Parse(MetadataElement json)
    {
        var keys = ParseKeys(json["keys"]);
        var list = json.Optional("roles");
        var bins = json.Optional("succinct_roles");
        if (list is null == bins is null)
            throw json.Malformed("delegations hold either roles or succinct_roles");
        if (bins is { } succinct)
            return new Delegations([], SuccinctRoles.Parse(succinct, keys));
        var roles = list!.Value.Items().Select(role => DelegatedRole.Parse(role, keys)).ToList();
        if (roles.DistinctBy(role => role.Name, StringComparer.Ordinal).Count() != roles.Count)
            throw json.Malformed("delegations name one role twice");
        return new Delegations(roles, null);
    }

    /// <summary>Who may speak for a path, most trusted first.</summary>
    public IEnumerable<(string Role, bool Terminating)> For(string targetPath) =>
        Bins is not null
            ? [(Bins.NameFor(targetPath), true)]
            : Roles.Where(role => role.Covers(targetPath)).Select(role => (role.Name, role.Terminating));

    /// <summary>The keys of a role; null when this delegation does not name it.</summary>
    public RoleKeys? KeysOf(string role) =>
        Bins is not null
            ? Bins.Contains(role) ? Bins.Keys : null
            : Roles.FirstOrDefault(delegated => string.Equals(delegated.Name, role, StringComparison.Ordinal))?.Keys;

    public static Dictionary<string, TufKey> ParseKeys(MetadataElement json) =>
        json.Members().ToDictionary(member => member.Key, member => TufKey.Parse(member.Key, member.Value), StringComparer.Ordinal);
}

/// <summary>One delegation by path patterns or by prefixes of the path's hash.</summary>
internal sealed record DelegatedRole(string Name, RoleKeys Keys, bool Terminating, IReadOnlyList<string> Paths, IReadOnlyList<string> HashPrefixes)
{
    public static DelegatedRole Parse(MetadataElement json, IReadOnlyDictionary<string, TufKey> keys)
    {
        var name = json["name"].Text();
        if (!TufRole.IsDelegatedName(name))
            throw json.Malformed("a delegated role has a name that is no file name of letters, digits, '-', '_' and '.'");
        var paths = json.Optional("paths")?.Items().Select(path => path.Text()).ToList();
        var prefixes = json.Optional("path_hash_prefixes")?.Items().Select(prefix => prefix.Text()).ToList();
        if (paths is null == prefixes is null)
            throw json.Malformed("a delegated role holds either paths or path_hash_prefixes");
        if (paths?.Exists(path => path.AsSpan().ContainsAny('[', ']', '\\')) == true)
            throw json.Malformed("a path pattern holds [, ] or \\; only * and ? are known");
        return new DelegatedRole(name, RoleKeys.Parse(json, keys), json["terminating"].Flag(), paths ?? [], prefixes ?? []);
    }

    public bool Covers(string targetPath)
    {
        if (Paths.Any(pattern => Matches(pattern, targetPath)))
            return true;
        if (HashPrefixes.Count == 0)
            return false;
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(targetPath)));
        return HashPrefixes.Any(prefix => hash.StartsWith(prefix, StringComparison.Ordinal));
    }

    /// <summary>Shell-style <c>*</c> and <c>?</c>, neither of which matches a <c>/</c> (TUF 4.5).</summary>
    public static bool Matches(string pattern, string path)
    {
        // The last star can always take one character more: no recursion, so no pattern is slow.
        int p = 0, t = 0, star = -1, resume = 0;
        while (t < path.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = p++;
                resume = t;
            }
            else if (p < pattern.Length && (pattern[p] == path[t] || pattern[p] == '?' && path[t] != '/'))
            {
                p++;
                t++;
            }
            else if (star >= 0 && path[resume] != '/')
            {
                p = star + 1;
                t = ++resume;
            }
            else
            {
                return false;
            }
        }
        return pattern.AsSpan(p).TrimStart('*').IsEmpty;
    }
}

/// <summary>2^<see cref="BitLength"/> bins with common keys; a path belongs to the bin named by the first bits of its SHA-256 (TUF 4.5, TAP 15).</summary>
internal sealed record SuccinctRoles(RoleKeys Keys, int BitLength, string NamePrefix)
{
    public static SuccinctRoles Parse(MetadataElement json, IReadOnlyDictionary<string, TufKey> keys)
    {
        var bits = json["bit_length"].Number(1);
        if (bits > 32)
            throw json.Malformed($"bit_length is {bits}, at most 32");
        var prefix = json["name_prefix"].Text();
        if (!TufRole.IsDelegatedName(prefix + "-"))
            throw json.Malformed("name_prefix is no file name of letters, digits, '-', '_' and '.'");
        return new SuccinctRoles(RoleKeys.Parse(json, keys), (int)bits, prefix);
    }

    public string NameFor(string targetPath) => NameFor(targetPath, BitLength, NamePrefix);

    public static string NameFor(string targetPath, int bitLength, string namePrefix)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(targetPath), hash);
        return Name(BinaryPrimitives.ReadUInt32BigEndian(hash) >> (32 - bitLength), bitLength, namePrefix);
    }

    public bool Contains(string role) =>
        role.StartsWith(NamePrefix + "-", StringComparison.Ordinal)
        && uint.TryParse(role.AsSpan(NamePrefix.Length + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var bin)
        && bin < 1UL << BitLength
        && string.Equals(role, Name(bin, BitLength, NamePrefix), StringComparison.Ordinal);

    /// <summary>The number in as many lower-case hexadecimal digits as the last bin needs.</summary>
    public static string Name(uint bin, int bitLength, string namePrefix)
    {
        var digits = (bitLength + 3) / 4;
        return $"{namePrefix}-{bin.ToString("x" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)}";
    }
}
