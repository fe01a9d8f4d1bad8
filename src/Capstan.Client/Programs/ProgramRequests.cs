using System.Globalization;
using Capstan.Client.Identity;
using Capstan.Protocol.V1;

namespace Capstan.Client.Programs;

/// <summary>What a person at the machine asks of the client that runs: one small file each, in a directory that only its user can write. The client takes each once.</summary>
internal static class ProgramRequests
{
    public const string Run = "run", Postpone = "postpone";

    private const string Folder = "requests";

    public static string DirectoryIn(string programs) => Path.Combine(programs, Folder);

    /// <summary>Durable on return; a running client is woken by it.</summary>
    /// <param name="what"><see cref="Run"/> or <see cref="Postpone"/>.</param>
    /// <param name="minutes">For how long; 0 for nothing.</param>
    public static async Task PutAsync(string programs, string what, string advertisementId, int minutes, CancellationToken cancellationToken)
    {
        DurableFile.CreatePrivateDirectory(DirectoryIn(programs));
        await DurableFile.WriteAsync(Path.Combine(DirectoryIn(programs), $"{advertisementId}.{what}"), System.Text.Encoding.ASCII.GetBytes(minutes.ToString(CultureInfo.InvariantCulture)), cancellationToken);
    }

    /// <summary>All that wait, by name. What is no request stays where it is.</summary>
    public static IReadOnlyList<(string What, string AdvertisementId, int Minutes)> Waiting(string programs) => !Directory.Exists(DirectoryIn(programs)) ? [] :
        [.. Directory.EnumerateFiles(DirectoryIn(programs))
            .Select(path => (Path: path, What: Path.GetExtension(path).TrimStart('.'), Id: Path.GetFileNameWithoutExtension(path)))
            .Where(file => file.What is Run or Postpone && ObjectId.IsValid(file.Id))
            .OrderBy(file => file.Path, StringComparer.Ordinal)
            .Select(file => (file.What, file.Id, int.TryParse(File.ReadAllText(file.Path), NumberStyles.None, CultureInfo.InvariantCulture, out var minutes) ? minutes : 0))];

    public static void Taken(string programs, string what, string advertisementId) => DurableFile.Remove(Path.Combine(DirectoryIn(programs), $"{advertisementId}.{what}"));
}
