using Capstan.Nal;
using Capstan.Nal.Providers;

namespace Capstan.Fleet;

/// <summary>Many clients in one temporary directory, which goes with them.</summary>
/// <remarks>
/// <para><see cref="EnrolAsync(CancellationToken)"/> first, then measured runs, any number of them, one after the other.</para>
/// <para>A client costs 6 open files between its connections and 8 with one, half a megabyte on disk and 0.7 MB of memory; no thread of its own. What clients do at one time is bounded by the processor: their work is the real one.</para>
/// </remarks>
internal sealed class ClientFleet : IAsyncDisposable
{
    /// <summary>Clients that work on their enrolment at one time: it is not what is measured, and is to be no stampede.</summary>
    private const int EnrolAtOnce = 4;

    /// <summary>How often clients look whether they are approved, all together.</summary>
    private const double LooksPerSecond = 10;

    private static readonly TimeSpan ShortestLook = TimeSpan.FromSeconds(2);

    private readonly FleetOptions _options;
    private readonly Func<IEnumerable<IStorageProvider>> _providers;
    private readonly TimeProvider _time;
    private readonly FleetDoor _door;
    private readonly DirectoryInfo _directory;
    private readonly FleetClient?[] _clients;

    /// <param name="providers">Makes those of one client: each client has its own, as each machine has.</param>
    public ClientFleet(FleetOptions options, Func<IEnumerable<IStorageProvider>> providers, TimeProvider time)
    {
        _options = options;
        _providers = providers;
        _time = time;
        _door = new FleetDoor(time);
        _clients = new FleetClient?[options.Clients];
        _directory = options.Parent is null
            ? Directory.CreateTempSubdirectory("capstan-fleet-")
            : Directory.CreateDirectory(Path.Combine(Path.GetFullPath(options.Parent), $"capstan-fleet-{Path.GetRandomFileName()}"));
    }

    /// <summary>Where the clients' directories are, until the fleet is disposed.</summary>
    public string DirectoryPath => _directory.FullName;

    /// <summary>Makes the clients, lets the site approve them, and reports each machine's first inventory.</summary>
    /// <returns>One cycle for each client: due when the client was made, ended when its first report was written. Complete, or called off.</returns>
    /// <exception cref="FleetException">The first client could not reach the CAP: the others are not tried, since so many wrong passwords would lock an account.</exception>
    public async Task<FleetResult> EnrolAsync(CancellationToken cancellationToken)
    {
        _ = _door.Restart();
        var cycles = new List<FleetCycle>[_options.Clients];
        using var turns = new SemaphoreSlim(EnrolAtOnce);
        cycles[0] = [await EnrolAsync(0, turns, cancellationToken)];
        await Task.WhenAll(Enumerable.Range(1, _options.Clients - 1).Select(async number => cycles[number] = [await EnrolAsync(number, turns, cancellationToken)]));
        return new FleetResult(1, cycles, _door.Restart());
    }

    /// <summary>Runs the cycles of a plan with the clients that are enrolled. Ends when all are done or when it is called off.</summary>
    public async Task<FleetResult> RunAsync(FleetPlan plan, CancellationToken cancellationToken)
    {
        var holds = plan.DrawHolds(_options.Clients);
        _ = _door.Restart();
        var start = _door.Now;
        var cycles = await Task.WhenAll(_clients.Select((client, number) => Task.Run(() => RunAsync(client!, plan, holds[number], start, cancellationToken), CancellationToken.None)));
        return new FleetResult(plan.Cycles, cycles, _door.Restart());
    }

    /// <summary>What the clients that are not done meet, with the error of their last attempt; at most <paramref name="most"/> of them.</summary>
    public async Task<IReadOnlyList<(int Client, string Cause, NalError? Error)>> UnfinishedAsync(FleetResult result, int most, CancellationToken cancellationToken)
    {
        var unfinished = new List<(int, string, NalError?)>();
        for (var number = 0; number < _clients.Length && unfinished.Count < most; number++)
        {
            if (result.ByClient[number].Count(cycle => cycle.Ended is not null) == result.CyclesEach)
                continue;
            unfinished.Add(_clients[number] is { } client
                ? (number, await client.WaitsForAsync(cancellationToken), client.Failure)
                : (number, "it was not made yet", null));
        }
        return unfinished;
    }

    public async ValueTask DisposeAsync()
    {
        await Parallel.ForEachAsync(_clients.OfType<FleetClient>(), CancellationToken.None, (client, _) => client.DisposeAsync());
        _directory.Delete(recursive: true);
    }

    private async Task<List<FleetCycle>> RunAsync(FleetClient client, FleetPlan plan, TimeSpan[] holds, TimeSpan start, CancellationToken cancellationToken)
    {
        var done = new List<FleetCycle>();
        for (var number = 0; number < plan.Cycles; number++)
        {
            var due = start + plan.Start.DueAt(number, client.Ordinal) ?? _door.Now;
            var begun = false;
            try
            {
                if (due > _door.Now)
                    await Task.Delay(due - _door.Now, _time, cancellationToken);
                client.Begin(new FleetCycle { Due = due, Hold = holds[number] }, cancellationToken);
                begun = true;
                await client.FinishAsync(cancellationToken);
                done.Add(client.Cycle with { Ended = _door.Now });
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                done.Add(begun ? client.Cycle : new FleetCycle { Due = due, Hold = holds[number] });
                break;
            }
        }
        return done;
    }

    private async Task<FleetCycle> EnrolAsync(int number, SemaphoreSlim turns, CancellationToken cancellationToken)
    {
        var due = _door.Now;
        try
        {
            var client = await InTurnAsync(turns, () => InstallAsync(number, cancellationToken), cancellationToken);
            client.Begin(new FleetCycle { Due = due }, cancellationToken);
            await FinishAsync(client, isFirst: number == 0, turns, cancellationToken);
            var random = _options.RandomOf(number);
            while (!client.IsApproved)
            {
                if (client.IsRetired)
                    throw new FleetException($"the site has retired client {number} of the fleet", ExitCode.AccessDenied);
                await Task.Delay(Look() * (0.75 + (random.NextDouble() / 2)), _time, cancellationToken);
                client.BeginAgain();
                await FinishAsync(client, isFirst: false, turns, cancellationToken);
            }
            // What the approval brought is in force only now: this one reports.
            client.BeginAgain();
            await FinishAsync(client, isFirst: false, turns, cancellationToken);
            return client.Cycle with { Ended = _door.Now };
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return _clients[number]?.Cycle ?? new FleetCycle { Due = due };
        }
    }

    /// <summary>The loop of a client whose enrolment goes on, each step in its turn, without its pauses.</summary>
    private async Task FinishAsync(FleetClient client, bool isFirst, SemaphoreSlim turns, CancellationToken cancellationToken)
    {
        while (!client.IsCycleDone)
        {
            var pause = await InTurnAsync(turns, () => client.StepAsync(cancellationToken), cancellationToken);
            if (client.IsCycleDone)
                break;
            if (isFirst && ExitCode.Of(client.Failure) != ExitCode.Full)
            {
                throw new FleetException($"the first of {_options.Clients} clients cannot be enrolled, so the others are not tried: {await client.WaitsForAsync(cancellationToken)}", ExitCode.Of(client.Failure));
            }
            if (pause > TimeSpan.Zero)
                await Task.Delay(pause, _time, cancellationToken);
        }
    }

    private async Task<FleetClient> InstallAsync(int number, CancellationToken cancellationToken) =>
        _clients[number] = await FleetClient.InstallAsync(_options, number, _directory.FullName, _door, _providers(), _time, cancellationToken);

    private TimeSpan Look()
    {
        var all = TimeSpan.FromSeconds(_options.Clients / LooksPerSecond);
        return all > ShortestLook ? all : ShortestLook;
    }

    private static async Task<T> InTurnAsync<T>(SemaphoreSlim turns, Func<Task<T>> work, CancellationToken cancellationToken)
    {
        await turns.WaitAsync(cancellationToken);
        try
        {
            // On the pool: a client's own work blocks its thread.
            return await Task.Run(work, CancellationToken.None);
        }
        finally
        {
            turns.Release();
        }
    }
}
