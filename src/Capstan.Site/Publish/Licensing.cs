using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Site.Publish;

/// <summary>What the server of a CAP allows, and how much of it is left to others.</summary>
/// <param name="Licensing">As in <see cref="LicensingMode"/>; null when nothing is limited.</param>
public sealed record LicensingTerms(string? Licensing, int Headroom)
{
    public static readonly LicensingTerms None = new(null, 0);

    /// <summary>What is null stays as it is; <see cref="Publish.Licensing.Unlimited"/> takes limit and headroom away.</summary>
    public LicensingTerms With(string? licensing, int? headroom) =>
        licensing == Publish.Licensing.Unlimited ? new(null, headroom ?? 0) : new(licensing ?? Licensing, headroom ?? Headroom);
}

/// <summary>How the machine that hosts a CAP is licensed. Pure.</summary>
public static class Licensing
{
    /// <summary>The word that takes a limit away.</summary>
    public const string Unlimited = "unlimited";

    /// <summary>What is wrong with the terms; null when nothing is.</summary>
    public static string? Fault(LicensingTerms terms)
    {
        ArgumentNullException.ThrowIfNull(terms);
        var limit = terms.Licensing is null ? null : LicensingMode.Limit(terms.Licensing);
        return terms switch
        {
            { Licensing: not null } when limit is null => $"licensing '{terms.Licensing}' must be per-server:N or per-seat:N with N from 1 to {Number(LicensingMode.MaxLimit)}, or {Unlimited}.",
            { Headroom: < 0 } => $"headroom is {Number(terms.Headroom)}; it must be 0 to {(limit is null ? "the limit less 1" : Number(limit.Value - 1))}.",
            { Licensing: null, Headroom: > 0 } => $"headroom {Number(terms.Headroom)} is part of a limit, and there is none: give licensing per-server:N or per-seat:N with N above it, up to {Number(LicensingMode.MaxLimit)}.",
            _ when terms.Headroom >= limit => $"headroom {Number(terms.Headroom)} leaves nothing of {terms.Licensing}: it must be 0 to {Number(limit.Value - 1)}.",
            _ => null,
        };
    }

    /// <summary>What differs, each for a person; empty when nothing does.</summary>
    public static IEnumerable<string> Changes(LicensingTerms before, LicensingTerms after)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        if (before.Licensing != after.Licensing)
            yield return $"licensing {after.Licensing ?? Unlimited} (was {before.Licensing ?? Unlimited})";
        if (before.Headroom != after.Headroom)
            yield return $"headroom {Number(after.Headroom)} (was {Number(before.Headroom)})";
    }

    private static string Number(int number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
