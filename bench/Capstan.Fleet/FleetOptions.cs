using Capstan.Nal.Paths;
using Capstan.Protocol.V1;

namespace Capstan.Fleet;

/// <summary>The fleet: how many clients, and how each reaches its CAP.</summary>
internal sealed record FleetOptions
{
    /// <summary>Most clients of one process.</summary>
    public const int MostClients = 10_000;

    /// <summary>The CAP that every client tries first.</summary>
    public required NalPath Cap { get; init; }

    public required EnrolmentToken Token { get; init; }

    /// <summary>Reaches the CAP in place of the token's accounts; null for those. The site's policy brings its own after approval.</summary>
    public AccountSecret? Account { get; init; }

    /// <summary>1 to <see cref="MostClients"/>.</summary>
    public required int Clients { get; init; }

    /// <summary>Seed of the made-up machines and of every client's chance; keys and device ids come from the operating system.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>The chance of one client: the same for the same seed.</summary>
    public Random RandomOf(int client) => new(unchecked((Seed * 397) ^ client));

    /// <summary>Where the fleet makes its temporary directory, half a megabyte per client; null for the system's place.</summary>
    public string? Parent { get; init; }

    /// <summary>The token as this fleet's clients get it.</summary>
    public string TokenText => (Account is null ? Token : Token with { Accounts = [Account] }).Encode();

    /// <summary>The CAP as the site writes it, where the token names the same place: otherwise a client would take them for two.</summary>
    public string CapText
    {
        get
        {
            var place = Cap.WithQualifiers(null, isPreferred: false);
            return Token.Caps.FirstOrDefault(text => NalPath.TryParse(text, out var known, out _) && known.WithQualifiers(null, isPreferred: false).Equals(place)) ?? Cap.ToString();
        }
    }
}

/// <summary>What the enrolled clients do in one measured run.</summary>
/// <param name="Cycles">Of each client; 1 or more.</param>
/// <param name="Seed">Draws the holds.</param>
internal sealed record FleetPlan(FleetStart Start, int Cycles, HoldRange Hold, int Seed)
{
    /// <summary>Of each client, its cycles' holds.</summary>
    public TimeSpan[][] DrawHolds(int clients)
    {
        var random = new Random(Seed);
        return [.. Enumerable.Range(0, clients).Select(_ => Enumerable.Range(0, Cycles).Select(_ => Hold.At(random.NextDouble())).ToArray())];
    }
}
