using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Client.Identity;

/// <summary>The connection accounts of an enrolment token at rest: a file of mode 0600 in <c>keys/</c>. The site's own list makes it superfluous.</summary>
internal static class AccountFile
{
    public const string FileName = "connection-accounts.json";

    /// <summary>Replaces the file; null or none leaves what is there.</summary>
    public static async ValueTask SaveAsync(string directory, IReadOnlyList<AccountSecret>? accounts, CancellationToken cancellationToken)
    {
        if (accounts is { Count: > 0 })
            await ReplaceAsync(directory, accounts, cancellationToken);
    }

    /// <summary>Replaces the file, also by one of none.</summary>
    public static async ValueTask ReplaceAsync(string directory, IReadOnlyList<AccountSecret> accounts, CancellationToken cancellationToken) =>
        await DurableFile.WriteAsync(PathIn(directory), Documents.PolicySecrets.Encode(new PolicySecrets { Accounts = accounts }), cancellationToken);

    /// <exception cref="ClientException"><c>accounts_damaged</c>.</exception>
    public static IReadOnlyList<AccountSecret> Load(string directory)
    {
        var path = PathIn(directory);
        if (!File.Exists(path))
            return [];
        try
        {
            return Documents.PolicySecrets.Decode(File.ReadAllBytes(path)).Accounts;
        }
        catch (ProtocolException e)
        {
            throw new ClientException($"the stored connection accounts {path} are damaged ({e.Message}); run capstan-client install --token-file F again", "accounts_damaged", e);
        }
    }

    public static void Remove(string directory) => DurableFile.Remove(PathIn(directory));

    private static string PathIn(string directory) => Path.Combine(directory, DeviceKeys.Folder, FileName);
}
