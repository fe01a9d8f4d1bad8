using System.Globalization;
using Capstan.Client.State;
using Capstan.Protocol.V1;

namespace Capstan.Client;

/// <summary>An advertisement on this machine, for people: where it stands and why.</summary>
/// <param name="State">One of <see cref="ProgramState"/>; <c>received</c> before the client has looked at it.</param>
/// <param name="Next">When it goes on by itself; null when it does not.</param>
/// <param name="Facts">The whole chain, in order, for <c>why</c>.</param>
public sealed record ProgramView(string AdvertisementId, string Name, string Program, string Package, string Purpose, string State, string? Cause, string? Reason,
    DateTimeOffset Since, DateTimeOffset? Next, long? HereBytes, long? TotalBytes, DateTimeOffset? LastRun, string? LastOutcome, IReadOnlyList<ProgramFact> Facts);

public sealed record ProgramFact(string Name, string Value);

/// <summary>Reads programs beside the client that runs.</summary>
internal static class ProgramReader
{
    public static IReadOnlyList<ProgramView> Read(string directory)
    {
        if (!File.Exists(ClientDatabase.PathIn(directory)))
            throw ClientErrors.NotInstalled(directory);
        using var database = ClientDatabase.OpenReadOnly(directory);
        var state = new ClientState(database);
        var policy = state.Document(DocumentName.Policy);
        var listed = state.Document(DocumentName.Policy, Documents.Policy)?.Advertisements ?? [];
        var settings = Configuration.ClientSettings.Of(state.Document(DocumentName.Policy, Documents.Policy));
        var ledger = new Programs.ProgramLedger(database);
        var told = ledger.Told();
        var runs = ledger.Runs();
        return [.. ledger.Advertisements(listed.ToHashSet(StringComparer.Ordinal), EpochOf(state)).Select(known => View(known, told[known.Document.AdvertisementId], runs, policy?.Version ?? 0, settings, state.Get(StateKey.DeviceId)!))];
    }

    /// <summary>Null when this machine does not know it.</summary>
    public static Programs.KnownAdvertisement? Find(string directory, string advertisementId)
    {
        if (!File.Exists(ClientDatabase.PathIn(directory)))
            throw ClientErrors.NotInstalled(directory);
        using var database = ClientDatabase.OpenReadOnly(directory);
        var state = new ClientState(database);
        var listed = state.Document(DocumentName.Policy, Documents.Policy)?.Advertisements ?? [];
        return new Programs.ProgramLedger(database).Advertisements(listed.ToHashSet(StringComparer.Ordinal), EpochOf(state)).FirstOrDefault(known => known.Document.AdvertisementId == advertisementId);
    }

    private static long EpochOf(ClientState state) => state.Document(DocumentName.Site, Documents.SiteDescription)?.Epoch ?? 0;

    private static ProgramView View(Programs.KnownAdvertisement known, Programs.ToldDecision told, IReadOnlyList<Programs.LedgerRun> all, long policy, Configuration.ClientSettings settings, string device)
    {
        var document = known.Document;
        var offer = document.Offer;
        var runs = all.Where(run => run.Program == Programs.ProgramKey.Of(offer)).ToList();
        var last = runs.LastOrDefault();
        return new ProgramView(document.AdvertisementId, document.Name, offer.Program.Name, $"{offer.PackageName} ({offer.PackageId}-{offer.PackageVersion})", document.Purpose, told.State, told.Cause, told.Reason,
            told.Since, told.Next, told.HereBytes, told.TotalBytes, last?.StartedAt, last?.Outcome, [.. Facts().Where(fact => fact.Value is not null).Select(fact => new ProgramFact(fact.Name, fact.Value!))]);

        IEnumerable<(string Name, string? Value)> Facts()
        {
            yield return ("advertisement", $"{document.AdvertisementId} ({document.Name}), revision {document.Revision}, {document.Purpose}, {document.State}");
            yield return ("listed", known.IsWithdrawn ? $"no: policy {policy} does not list it any more" : $"yes, by policy {policy}");
            yield return ("program", $"{offer.Program.Name} of {offer.PackageName} ({offer.PackageId}), version {offer.PackageVersion}");
            foreach (var first in offer.Chain().Skip(1))
                yield return ("runs first", $"{first.Program.Name} of {first.PackageName} ({first.PackageId}), version {first.PackageVersion}");
            yield return ("received", Time(known.ReceivedAt));
            yield return ("available from", Time(document.AvailableFrom));
            yield return ("start", Time(document.StartAt) ?? (document.Purpose == Advertisement.Required ? "as soon as it was offered" : null));
            yield return ("ring", RolloutPlace.Begins(document, device) is { } ring ? $"begins at {Time(ring)}; this machine is at {RolloutPlace.Of(device, document.AdvertisementId).ToString("F1", CultureInfo.InvariantCulture)} %" : null);
            yield return ("deadline", Time(document.Deadline));
            yield return ("expires", Time(document.ExpiresAt));
            yield return ("window", settings.Window.ToString());
            yield return ("postponed", known.PostponedUntil is { } until ? $"until {Time(until)} ({known.Postponements} of {offer.Program.MaxPostponements} times)" : null);
            yield return ("asked for", known.IsAsked ? "yes" : null);
            yield return ("content", told.TotalBytes is { } total ? $"{told.HereBytes ?? 0} of {total} bytes{(told.Source is { } source ? $", from {source}" : "")}" : null);
            yield return ("content waits", known.Content is { } wait ? $"{wait.Cause}{(wait.Until is { } at ? $"; next try {Time(at)}" : "")}" : null);
            yield return ("rule for runs again", offer.Program.Rerun);
            foreach (var run in runs.TakeLast(5))
                yield return (run.IsRemoval ? "removal" : "run", $"{run.Number}: version {run.PackageVersion}, for {run.AdvertisementId}, started {Time(run.StartedAt)}, {(run.Outcome is null ? "runs" : $"{run.Outcome}{(run.ExitCode is { } code ? $" (exit code {code})" : "")} {Time(run.EndedAt)}")}");
            yield return ("output", last is { IsSuccess: false, Output: { } output } ? output : null);
            yield return ("state", $"{told.State}{(told.Cause is { } cause ? $" ({cause})" : "")} since {Time(told.Since)}");
            yield return ("because", told.Reason);
            yield return ("next", told.Next is { } next ? Time(next) : "nothing by itself");
        }
    }

    private static string? Time(long? seconds) => seconds is { } value ? Time(DateTimeOffset.FromUnixTimeSeconds(value)) : null;

    private static string? Time(DateTimeOffset? time) => time?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
}
