using System.Globalization;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Nwbind;
using Capstan.ServerTests.Arbiter;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.ServerTests.Nwbind;

/// <summary>Q257223 with real processes: whoever is killed, the server counts nobody in the end, and the record is gone.</summary>
public sealed class NwbindProcessTests
{
    private static readonly int Kills = LongRun.IsAsked ? 100 : 15;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_installer_or_the_programs_manager_is_killed_and_the_other_one_leaves_nothing_at_the_server(bool isInstallerKilled)
    {
        await using var netware = new NetWareVolume(rules => rules.Licences = 1);
        var machine = netware.Machine("machine");
        await using var installer = Start(netware, machine, Worker.Holding);
        await installer.SaidAsync(Worker.Held);
        Assert.Single(netware.Server.Held);
        // The programs manager stands in line for the one connection of the machine, or dies there.
        await using var programs = Start(netware, machine, rounds: 1);
        await (isInstallerKilled ? installer : programs).KillAsync();
        if (isInstallerKilled)
        {
            Assert.Equal("", await programs.EndAsync());
        }
        else
        {
            await installer.KillAsync();
            await using var next = Start(netware, machine, rounds: 1);
            Assert.Equal("", await next.EndAsync());
        }
        await Patience.UntilAsync(() => netware.Server.Held.Count == 0);
        Assert.Empty(NetWareVolume.Journal(machine));
        Assert.Equal(1, netware.Server.PeakLogins);
    }

    [Fact]
    public async Task Processes_killed_at_any_point_give_every_licence_back()
    {
        await using var netware = new NetWareVolume(rules => rules.Licences = 2);
        var random = new Random(20261122);
        var machine = netware.Machine("machine");
        var workers = Enumerable.Range(0, 3).Select(_ => Start(netware, machine, rounds: 0)).ToArray();
        try
        {
            for (var kill = 0; kill < Kills; kill++)
            {
                var victim = random.Next(workers.Length);
                await workers[victim].SaidAsync(kill % 2 == 0 ? Worker.Held : Worker.Back);
                await workers[victim].KillAsync();
                await workers[victim].DisposeAsync();
                workers[victim] = Start(netware, machine, rounds: 0);
            }
        }
        finally
        {
            foreach (var worker in workers)
                await worker.DisposeAsync();
        }
        await Patience.UntilAsync(() => netware.Server.Held.Count == 0);
        await using var next = Start(netware, machine, rounds: 1);
        Assert.Equal("", await next.EndAsync());
        Assert.Empty(netware.Server.Held);
        Assert.Empty(NetWareVolume.Journal(machine));
        // The one that dies, for as long as the server has not seen the end of its stream, and the next one.
        Assert.InRange(netware.Server.PeakLogins, 1, 2);
        Assert.Empty(netware.Server.Complaints);
    }

    [Fact]
    public async Task Sixty_machines_on_ten_licences_all_finish()
    {
        await using var netware = new NetWareVolume(rules => rules.Licences = 10);
        var done = await Task.WhenAll(Enumerable.Range(0, 60).Select(async number =>
        {
            var machine = NalMachine.At(netware.Machine(string.Create(CultureInfo.InvariantCulture, $"machine{number}")));
            await using var client = new ConnectionArbiter([new NwbindProvider(TimeProvider.System)], new ArbiterOptions { Machine = machine }, TimeProvider.System, new Random(number), NullLoggerFactory.Instance);
            client.SetAccounts(netware.Path.Server!, [NetWareVolume.Capa]);
            client.SetServer(netware.Path.Server!, new ServerTerms { MeanHold = TimeSpan.FromMilliseconds(200) });
            var result = await client.AcquireAsync(netware.Path, new LeasePurpose("CCIM", Wait: TimeSpan.FromMinutes(2)) { AsksFullServerAgain = true }, CancellationToken.None);
            await using var lease = result.Lease ?? throw new InvalidOperationException(result.Refusal!.Reason);
            return await lease.Store.CreateAsync(StorePath.Parse(string.Create(CultureInfo.InvariantCulture, $"inbox/{number:D2}")), new MemoryStream(new byte[2_000]), CancellationToken.None);
        }));
        Assert.All(done, Assert.True);
        Assert.Equal(60, Directory.GetFiles(Path.Combine(netware.Folder, "inbox")).Length);
        Assert.InRange(netware.Server.PeakLogins, 2, 10);
        Assert.Empty(netware.Server.Held);
        Assert.Empty(netware.Server.Complaints);
    }

    private static Worker Start(NetWareVolume netware, string machine, int rounds) =>
        Worker.Start(netware.Server.Port, NetWareVolume.Account, NetWareVolume.Password, rounds, machine, "VOL/CAP_ABC", scheme: "ncp");
}
