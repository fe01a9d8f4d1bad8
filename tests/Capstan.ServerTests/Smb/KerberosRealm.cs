using System.Runtime.InteropServices;
using Capstan.ServerTests.Up;
using Capstan.Testing;

namespace Capstan.ServerTests.Smb;

/// <summary>Tests with a realm run one after the other: the library that they use knows one realm, and one ticket, per process.</summary>
[CollectionDefinition(Name)]
public sealed class KerberosTestGroup : ICollectionFixture<KerberosRealm>
{
    public const string Name = "Kerberos";
}

/// <summary>A Kerberos realm of MIT's krb5kdc on a free port of loopback, with its own directory, gone when it is disposed.</summary>
/// <remarks>Its tickets bear no authorization data: a Samba outside a domain refuses tickets with a PAC.</remarks>
public sealed class KerberosRealm : IAsyncLifetime
{
    public const string Name = "LAB.EXAMPLE";

    /// <summary>The host whose service <c>cifs</c> the realm knows.</summary>
    public const string Host = "localhost";

    private readonly TemporaryDirectory _directory = new();
    private ServerProcesses? _kdc;

    /// <summary>The keys of <c>cifs</c>, for the server.</summary>
    public string Keytab => $"FILE:{_directory.Combine("cifs.keytab")}";

    /// <summary>The realm's <c>krb5.conf</c>, for other processes.</summary>
    public string Configuration => _directory.Combine("krb5.conf");

    public async ValueTask InitializeAsync()
    {
        Tools.Require("krb5kdc", "kdb5_util", "kadmin.local", "kinit");
        var port = SambaServer.FreePort();
        await File.WriteAllTextAsync(Configuration, $$"""
            [libdefaults]
              default_realm = {{Name}}
              dns_lookup_kdc = false
              dns_lookup_realm = false
              dns_canonicalize_hostname = false
              udp_preference_limit = 1
            [realms]
              {{Name}} = {
                kdc = 127.0.0.1:{{port}}
              }
            """);
        await File.WriteAllTextAsync(_directory.Combine("kdc.conf"), $$"""
            [realms]
              {{Name}} = {
                kdc_listen = 127.0.0.1:{{port}}
                kdc_tcp_listen = 127.0.0.1:{{port}}
                database_name = {{_directory.Combine("principal")}}
                key_stash_file = {{_directory.Combine("stash")}}
                disable_pac = true
              }
            [logging]
              kdc = FILE:{{_directory.Combine("kdc.log")}}
            """);
        await Tools.RunAsync("kdb5_util", ["create", "-s", "-P", "master", "-r", Name], environment: Environment());
        await Tools.RunAsync("kadmin.local", ["-r", Name],
            $"addprinc -pw {SambaServer.PasswordOf("capa")} capa\naddprinc -pw {SambaServer.PasswordOf("capb")} capb\n"
            + $"addprinc -randkey cifs/{Host}\nktadd -k {_directory.Combine("cifs.keytab")} cifs/{Host}\nktadd -norandkey -k {_directory.Combine("capb.keytab")} capb\n", Environment());
        _kdc = ServerProcesses.Start(["krb5kdc", "-n", "-r", Name], Environment());
        using var deadline = new CancellationTokenSource(Patience.Limit);
        await _kdc.PrintedAsync("starting...", deadline.Token);
        UseHere();
    }

    /// <summary>Makes this realm the one that this process knows. The library reads the environment of C, which .NET does not write.</summary>
    public void UseHere() => Set("KRB5_CONFIG", Configuration);

    /// <summary>Makes the ticket of a cache the one that this process has.</summary>
    public static void UseTicketHere(string cache) => Set("KRB5CCNAME", cache);

    /// <summary>Gives this process the keys of <c>capb</c>, as a service has them, and an empty cache.</summary>
    public void UseKeysHere()
    {
        Set("KRB5_CLIENT_KTNAME", $"FILE:{_directory.Combine("capb.keytab")}");
        UseTicketHere($"FILE:{_directory.Combine($"krb5cc-{Guid.NewGuid():N}")}");
    }

    public static void UseNoKeysHere() => Set("KRB5_CLIENT_KTNAME", "FILE:/nonexistent/keytab");

    private static void Set(string name, string value)
    {
        if (SetEnvironment(name, value, 1) != 0)
            throw new InvalidOperationException("setenv failed");
    }

    /// <summary>Gets an account a ticket, as kinit does.</summary>
    /// <returns>The name of a cache of its own.</returns>
    public async Task<string> TicketAsync(string account)
    {
        var cache = $"FILE:{_directory.Combine($"krb5cc-{Guid.NewGuid():N}")}";
        await Tools.RunAsync("kinit", ["-c", cache, $"{account}@{Name}"], SambaServer.PasswordOf(account) + "\n", Environment());
        return cache;
    }

    /// <summary>The KDC crashes; its port refuses afterwards.</summary>
    internal Task KillAsync() => _kdc!.KillAsync();

    /// <summary>For Samba: the service takes tickets of this realm, and its accounts are those of the server of the same name.</summary>
    internal Dictionary<string, string> SambaParameters() => new(StringComparer.Ordinal)
    {
        ["realm"] = Name,
        ["kerberos method"] = "dedicated keytab",
        ["dedicated keytab file"] = Keytab,
    };

    private KeyValuePair<string, string>[] Environment() =>
        [new("KRB5_CONFIG", Configuration), new("KRB5_KDC_PROFILE", _directory.Combine("kdc.conf"))];

    public async ValueTask DisposeAsync()
    {
        if (_kdc is not null)
        {
            await _kdc.DisposeAsync();
            TestContext.Current.TestOutputHelper?.WriteLine(_kdc.Output);
        }
        _directory.Dispose();
    }

    [DllImport("libc", EntryPoint = "setenv")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetEnvironment([MarshalAs(UnmanagedType.LPUTF8Str)] string name, [MarshalAs(UnmanagedType.LPUTF8Str)] string value, int overwrite);
}
