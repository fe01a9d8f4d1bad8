using System.Text;

namespace Capstan.Testing.Servers;

/// <summary>What a <see cref="SambaServer"/> is started with. Parameters are written as <c>smb.conf</c> names them.</summary>
internal sealed class SambaSetup
{
    /// <summary>The shares; without one, there is the writable share <c>cap</c>.</summary>
    public IList<SambaShare> Shares { get; init; } = [];

    /// <summary>Parameters of <c>[global]</c>; one given here replaces the fixture's own.</summary>
    public IDictionary<string, string> Global { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Accounts; <see cref="SambaServer.PasswordOf"/> says their passwords.</summary>
    public IReadOnlyList<string> Accounts { get; init; } = ["capa", "capb"];

    /// <summary>Those of <see cref="Accounts"/> that may see and close the sessions of others.</summary>
    public IReadOnlyList<string> Administrators { get; init; } = [];

    /// <summary>When given, the folders of all shares lie on a file system of this size, which is mounted for the server alone and goes with it.</summary>
    public long? DiskBytes { get; init; }

    /// <summary>The configuration of a server that lives in <paramref name="directory"/> and talks on loopback only.</summary>
    public string ToText(string directory, int port)
    {
        var global = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["workgroup"] = "LAB",
            ["netbios name"] = "CAPSRV",
            ["server role"] = "standalone server",
            ["interfaces"] = "127.0.0.1/8",
            ["bind interfaces only"] = "yes",
            ["smb ports"] = $"{port}",
            ["disable netbios"] = "yes",
            ["map to guest"] = "never",
            ["restrict anonymous"] = "2",
            ["server min protocol"] = "SMB2_02",
            ["load printers"] = "no",
            ["printing"] = "bsd",
            ["printcap name"] = "/dev/null",
            ["disable spoolss"] = "yes",
            ["passdb backend"] = $"tdbsam:{directory}/private/passdb.tdb",
            ["private dir"] = $"{directory}/private",
            ["lock directory"] = $"{directory}/lock",
            ["state directory"] = $"{directory}/state",
            ["cache directory"] = $"{directory}/cache",
            ["pid directory"] = $"{directory}/run",
            ["ncalrpc dir"] = $"{directory}/run/ncalrpc",
            ["log file"] = $"{directory}/smbd.log",
            // Every logon, good or bad, as a line of JSON.
            ["log level"] = "1 auth_json_audit:3",
            ["max log size"] = "0",
        };
        if (Administrators.Count > 0)
            global["admin users"] = string.Join(' ', Administrators);
        foreach (var (name, value) in Global)
            global[name] = value;
        var text = new StringBuilder("[global]\n");
        foreach (var (name, value) in global)
            text.Append($"  {name} = {value}\n");
        foreach (var share in Effective)
        {
            text.Append($"[{share.Name}]\n  path = {directory}/shares/{share.Name}\n");
            foreach (var (name, value) in share.Parameters)
                text.Append($"  {name} = {value}\n");
        }
        return text.ToString();
    }

    /// <summary>The shares that there will be.</summary>
    public IEnumerable<SambaShare> Effective => Shares.Count > 0 ? Shares : [new SambaShare("cap")];
}

/// <summary>A share: a folder of the server with its parameters. Writable for every account, unless <paramref name="parameters"/> say otherwise.</summary>
internal sealed class SambaShare(string name, params (string Name, string Value)[] parameters)
{
    public string Name { get; } = name;

    public IEnumerable<(string Name, string Value)> Parameters =>
        [("read only", "no"), ("create mask", "0666"), ("directory mask", "0777"), .. parameters];
}
