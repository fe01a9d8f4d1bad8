using System.Globalization;
using Capstan.Client;
using Capstan.Client.Configuration;
using Capstan.Nal;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Providers;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Fleet;

/// <summary>One client of the fleet: the production library with keys, state, slots and journal of its own, driven through the loop that <c>capstan-client run</c> drives.</summary>
/// <remarks>What it does when it is refused, and when it asks again, is the loop's and the arbiter's; nothing here decides about that.</remarks>
internal sealed class FleetClient : IAsyncDisposable
{
    private readonly ClientOptions _options;
    private readonly MadeUpMachine _machine;
    private readonly ClientDoor _door;
    private readonly CapstanClient _client;
    private readonly TimeProvider _time;

    private FleetClient(ClientOptions options, MadeUpMachine machine, ClientDoor door, CapstanClient client, TimeProvider time) =>
        (_options, _machine, _door, _client, _time) = (options, machine, door, client, time);

    public bool IsApproved => _client.Lifecycle == ClientLifecycle.Approved;

    /// <summary>The site has said that this client is to do nothing.</summary>
    public bool IsRetired => _client.Lifecycle == ClientLifecycle.Retired;

    /// <summary>0 before the certificate.</summary>
    public long Ordinal => _client.Ordinal ?? 0;

    public bool IsCycleDone => _client.Loop.IsCycleDone;

    /// <summary>The present cycle, as far as it came.</summary>
    public FleetCycle Cycle => _door.Cycle;

    /// <summary>Makes its keys and its state in a new directory, and opens it.</summary>
    /// <param name="number">From 0.</param>
    public static async Task<FleetClient> InstallAsync(FleetOptions fleet, int number, string directory, FleetDoor door, IEnumerable<IStorageProvider> providers, TimeProvider time,
        CancellationToken cancellationToken)
    {
        var home = Path.Combine(directory, number.ToString("00000", CultureInfo.InvariantCulture));
        var options = new ClientOptions { Directory = Path.Combine(home, "client"), Machine = NalMachine.At(Path.Combine(home, "nal")) };
        var machine = new MadeUpMachine(fleet.Seed, number);
        var own = new ClientDoor(door, time);
        var parts = new ClientParts([.. providers.Select(provider => new MeteredProvider(provider, own))], machine.Host, machine.Hardware, machine.SoftwareAsync);
        await CapstanClient.InstallAsync(options, parts, fleet.TokenText, fleet.CapText, cancellationToken);
        var client = await CapstanClient.OpenAsync(options, parts, time, fleet.RandomOf(number), NullLoggerFactory.Instance, cancellationToken);
        return new FleetClient(options, machine, own, client, time);
    }

    /// <summary>Makes a complete cycle due now, with an update in its inventory, and begins to count.</summary>
    public void Begin(FleetCycle cycle, CancellationToken stop)
    {
        _door.Begin(cycle, stop);
        BeginAgain();
    }

    /// <summary>As <see cref="Begin"/>, and counts on.</summary>
    public void BeginAgain()
    {
        _machine.Update();
        _client.Loop.BeginCycle();
    }

    /// <summary>One step of the loop.</summary>
    /// <returns>How long it waits now; zero when there may be more at once.</returns>
    public Task<TimeSpan> StepAsync(CancellationToken cancellationToken) => _client.Loop.StepAsync(cancellationToken);

    /// <summary>The loop, until a CAP has served the cycle to its end.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        while (!IsCycleDone)
        {
            var pause = await StepAsync(cancellationToken);
            if (!IsCycleDone && pause > TimeSpan.Zero)
                await Task.Delay(pause, _time, cancellationToken);
        }
    }

    /// <summary>Why nothing moves, in the client's own words.</summary>
    public async Task<string> WaitsForAsync(CancellationToken cancellationToken) =>
        Cycle.Failure?.Message ?? (await CapstanClient.ReadStatusAsync(_options, cancellationToken)).Waiting ?? "it was stopped before its turn";

    /// <summary>Of the last attempt at a server's door; null when it was let in.</summary>
    public NalError? Failure => Cycle.Failure?.Error;

    public ValueTask DisposeAsync() => _client.DisposeAsync();
}
