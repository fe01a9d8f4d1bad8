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

    /// <summary>Why a request is not followed; null when it is. The verb asks the same before.</summary>
    public static string? Fault(KnownAdvertisement? known, string what, int minutes) => known switch
    {
        null or { IsWithdrawn: true } => "this machine knows no such advertisement; capstan-client programs lists those that it does",
        { Document.State: Advertisement.Halted } => $"the site has halted it{(known.Document.HaltedBecause is { } why ? $": {why}" : "")}",
        _ when what == Run => null,
        _ when minutes < 1 || TimeSpan.FromMinutes(minutes) > ProgramLedger.LongestPostponement => "it can be postponed for 1 minute to 7 days",
        { Document.Purpose: not Advertisement.Required } => "it does not run by itself, so there is nothing to postpone",
        { Document.Offer.Program.MaxPostponements: 0 } => "its program allows no postponement",
        _ when known.Postponements >= known.Document.Offer.Program.MaxPostponements => $"it may be postponed {known.Document.Offer.Program.MaxPostponements} times, and was {known.Postponements} times",
        _ => null,
    };

    public static void Taken(string programs, string what, string advertisementId) => DurableFile.Remove(Path.Combine(DirectoryIn(programs), $"{advertisementId}.{what}"));
}
