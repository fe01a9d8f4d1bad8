using System.Text;
using Capstan.Client.Identity;
using Capstan.Client.State;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>The connection accounts of this machine: the site's list, sealed in the client's database, then those of the token.</summary>
internal static class CapAccounts
{
    /// <summary>For one server, in the order in which they are tried.</summary>
    public static IReadOnlyList<ConnectionAccount> For(string server, IReadOnlyList<AccountSecret> accounts) =>
    [
        .. accounts.Where(account => account.Server is null || account.Server == server)
            .Select(account => new ConnectionAccount(account.Name, new Secret(account.Password))),
    ];

    /// <summary>All of them, each name once for one server; what cannot be read is told in <paramref name="problems"/> and left out.</summary>
    public static IReadOnlyList<AccountSecret> Read(ClientCore core, List<string> problems)
    {
        var accounts = new List<AccountSecret>();
        Add(() => core.State.Document(DocumentName.Secrets) is { } stored ? Open(Encoding.ASCII.GetString(stored.Content), core).Accounts : []);
        Add(() => AccountFile.Load(core.Directory));
        return [.. accounts.DistinctBy(account => (account.Name.ToUpperInvariant(), account.Server))];

        void Add(Func<IReadOnlyList<AccountSecret>> read)
        {
            try
            {
                accounts.AddRange(read());
            }
            catch (Exception e) when (e is ProtocolException or ClientException)
            {
                problems.Add(e.Message);
            }
        }
    }

    /// <exception cref="ProtocolException">They are not sealed to this device.</exception>
    public static PolicySecrets Open(string secrets, ClientCore core) => PolicySecretsCodec.Open(secrets, core.Keys.SealingFor(Jwe.PeekKeyId(secrets)));

    /// <summary>Servers that count connections, of these paths.</summary>
    public static IEnumerable<string> Servers(IEnumerable<NalPath> paths) => paths.Select(path => path.Server).OfType<string>().Distinct(StringComparer.Ordinal);
}
