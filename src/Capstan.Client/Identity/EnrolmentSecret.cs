using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Client.Identity;

/// <summary>The enrolment token at rest: a file of mode 0600 in <c>keys/</c>, gone as soon as the site has approved.</summary>
internal static class EnrolmentSecret
{
    public const string FileName = "enrolment-token";

    public static async ValueTask SaveAsync(string directory, string token, CancellationToken cancellationToken) =>
        await DurableFile.WriteAsync(PathIn(directory), Encoding.ASCII.GetBytes(token), cancellationToken);

    public static bool Exists(string directory) => File.Exists(PathIn(directory));

    /// <summary>The token; null when it was removed.</summary>
    /// <exception cref="ClientException"><c>bad_token</c>: the file is damaged.</exception>
    public static async ValueTask<EnrolmentToken?> LoadAsync(string directory, CancellationToken cancellationToken)
    {
        var path = PathIn(directory);
        if (!File.Exists(path))
            return null;
        try
        {
            return EnrolmentToken.Decode(await File.ReadAllTextAsync(path, cancellationToken));
        }
        catch (ProtocolException e)
        {
            throw new ClientException($"the stored enrolment token {path} is damaged ({e.Message}); run capstan-client install --token-file F again", "bad_token", e);
        }
    }

    public static void Remove(string directory) => DurableFile.Remove(PathIn(directory));

    private static string PathIn(string directory) => Path.Combine(directory, DeviceKeys.Folder, FileName);
}
