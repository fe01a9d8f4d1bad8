using System.ComponentModel.DataAnnotations;
using Capstan.Nal.Paths;

namespace Capstan.Nal.Arbiter;

/// <summary>How paths are chosen and connections bounded. Read at each request; change it from one thread.</summary>
public sealed class ArbiterOptions
{
    /// <summary>Seed of the stable random order: the device id. Empty gives one order for all.</summary>
    public string OrderSeed { get; set; } = "";

    /// <summary>Number of the client's cycle; the random order is drawn anew for each. Default 0.</summary>
    public long OrderCycle { get; set; }

    /// <summary>Where this process shares slots and journal with the others of the machine. Null: the budget is this process's only, and nothing outlasts it.</summary>
    public Machine.NalMachine? Machine { get; set; }

    /// <summary>Connections per server that this machine may have. Default 1; 1 to 16. Read when the arbiter is made.</summary>
    [Range(1, 16)]
    public int BudgetPerServer { get; set; } = 1;

    /// <summary>A lease that is held longer ends without its holder, and its connection with it. Default 1 h. Read when the arbiter is made.</summary>
    public TimeSpan LongestLease { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Requests that may wait for one server; further ones are refused at once. Default 1,024; from 0. Read when the arbiter is made.</summary>
    [Range(0, 1_000_000)]
    public int MaxWaitingPerServer { get; set; } = 1_024;

    /// <summary>Try preferred paths first. Default off, as in the old system.</summary>
    public bool UsePreferredServers { get; set; }

    /// <summary>Try servers that have a live connection before the rest. Default on.</summary>
    public bool UseExistingConnections { get; set; } = true;

    /// <summary>Put the rest in a random order that is stable for this device and cycle; off, in the order of the list. Default on.</summary>
    public bool UseRandomPathSelection { get; set; } = true;

    /// <summary>Preferences besides the mark <c>PREFERRED</c> on a path: a server name alone matches every path of that server.</summary>
    public IReadOnlyList<NalPath> Preferences { get; set; } = [];

    /// <summary>Paths that served badly: tried last, in this order, and never dropped. Default none.</summary>
    public IReadOnlyList<NalPath> Avoided { get; set; } = [];

    /// <summary>Middle of the time after which a refused caller should try again; the actual one is uniform between half and one and a half of it. Default 30 s.</summary>
    public TimeSpan RetryAfter { get; set; } = TimeSpan.FromSeconds(30);
}
