using System.Globalization;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>The state of a client whose every CAP is full or busy: a scheduled next attempt, not an error. Pure.</summary>
internal static class CapacityWait
{
    /// <summary>For example <c>waiting for a connection: FS1 20 of 20, FS2 full</c>; the next try is added by whoever knows it.</summary>
    public static string Text(NalTrace trace, CapList? list) =>
        $"waiting for a connection: {string.Join(", ", trace.Candidates.Select(candidate => Server(candidate, list)).OfType<string>().Distinct(StringComparer.Ordinal))}";

    private static string? Server(NalTraceCandidate candidate, CapList? list)
    {
        var name = Name(candidate.Path);
        return candidate.Error switch
        {
            NalError.WaitForSlot => $"{name} used by this machine already",
            NalError.ServerFull when CapTerms.Entry(list, candidate.Path)?.Licensing is { } licensing
                    && LicensingMode.Kind(licensing) == LicensingKind.PerServer && LicensingMode.Limit(licensing) is { } limit =>
                string.Create(CultureInfo.InvariantCulture, $"{name} {limit} of {limit}"),
            NalError.ServerFull => $"{name} full",
            _ => null,
        };
    }

    /// <summary>As people write it: a bare name in capitals, a full name or an address as it is.</summary>
    private static string Name(string path) =>
        !NalPath.TryParse(path, out var parsed, out _) || parsed.Root.Length == 0 ? path
        : parsed.Root.Contains('.', StringComparison.Ordinal) || parsed.Root.Contains(':', StringComparison.Ordinal) ? parsed.Root
        : parsed.Root.ToUpperInvariant();
}
