using Capstan.Nal.Arbiter.Machine;

namespace Capstan.ServerTests.Arbiter;

/// <summary>Design, section 10, invariant 2, where no packet tells the server: a host whose network is taken away.</summary>
[Collection(NetworkAdapterGroup.Name)]
public sealed class VanishedHostTests : IDisposable
{
    private const string Account = "capa";

    private readonly TemporaryDirectory _machine = new();

    public void Dispose() => _machine.Dispose();

    /// <summary>The cable is cut, the process killed and its host taken away: no packet tells the server. Samba would keep the session until its own time limit.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_host_that_vanished_from_the_network_frees_its_connection_with_its_next_logon_from_whatever_address(int last)
    {
        var net = $"10.77.{Environment.ProcessId % 250}";
        await using var before = await OtherHost.StartAsync($"{net}.1/24", $"{net}.2/24");
        await using var server = await SambaServer.StartAsync(new SambaSetup { Global = { ["interfaces"] = $"127.0.0.1/8 {net}.1/24" } });
        Worker StartAt(OtherHost host) => Worker.Start(server.Port, Account, SambaServer.PasswordOf(Account), Worker.Holding, _machine.Path, server: $"{net}.1", within: host.Enter);
        await using (var lost = StartAt(before))
        {
            await lost.SaidAsync(Worker.Held);
            await before.CutAsync();
            await lost.KillAsync();
        }
        await before.DisposeAsync();
        Assert.Contains("ended by the next logon of capa", Assert.Single(Journal()).NextStep, StringComparison.Ordinal);
        var ghost = Assert.Single((await server.StatusAsync()).Sessions);

        await using var after = await OtherHost.StartAsync($"{net}.1/24", $"{net}.{last}/24");
        await using var next = StartAt(after);
        await next.SaidAsync(Worker.Held);
        Assert.NotEqual(ghost, Assert.Single((await server.StatusAsync()).Sessions));
        Assert.Equal("open", Assert.Single(Journal()).State);
    }

    private IReadOnlyList<MachineConnection> Journal() => NalMachine.At(_machine.Path).Connections(TimeProvider.System.GetUtcNow());
}
