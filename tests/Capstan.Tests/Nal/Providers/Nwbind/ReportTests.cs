using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Providers;
using Capstan.Testing;

namespace Capstan.Tests.Nal.Providers.Nwbind;

/// <summary>Q257223, in the words of its actors. What the real processes do when they are killed stands with the server tests.</summary>
public sealed class ReportTests
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly StorePath Offers = StorePath.Parse("offerinf.box/offers");

    [Fact]
    public async Task The_installer_opens_under_its_boot_account_the_programs_manager_joins_both_end_and_the_server_counts_nobody()
    {
        await using var world = new NwbindWorld(rules => rules.Users["SMSCCMBOOTACCT"] = new(0x0B000001, "Pw-boot"));
        var machine = world.NewMachine();
        await using var client = world.Process(machine, 1, new ConnectionAccount("SMSCCMBootAcct", new Secret("Pw-boot")));
        var installer = (await client.AcquireAsync(world.Path, new LeasePurpose("CCIM"), None)).Lease!;
        await installer.Store.CreateAsync(Offers, new MemoryStream("offer"u8.ToArray()), None);
        var programs = (await client.AcquireAsync(world.Path, new LeasePurpose("APM"), None)).Lease!;
        Assert.Equal("SMSCCMBOOTACCT", Assert.Single(world.Server.Held).User);
        Assert.Equal(2, Assert.Single(client.Connections()).ReferenceCount);
        Assert.Equal("SMSCCMBootAcct", Assert.Single(Journal(machine)).Account);

        await installer.DisposeAsync();
        // The programs manager still uses it: nobody cuts it off, and it is one connection.
        Assert.Equal("offer"u8.ToArray(), await programs.Store.ReadAllAsync(Offers, 100, None));
        Assert.Single(world.Server.Held);
        await programs.DisposeAsync();

        Assert.Empty(world.Server.Held);
        Assert.Empty(Journal(machine));
        Assert.Equal((1, 1), (world.Server.Peak, world.Server.PeakLogins));
    }

    [Theory]
    [InlineData("CCIM")]
    [InlineData("APM")]
    public async Task Whichever_of_the_two_ends_first_the_other_goes_on_and_the_last_one_hangs_up(string first)
    {
        await using var world = new NwbindWorld();
        var machine = world.NewMachine();
        await using var client = world.Process(machine);
        var leases = new Dictionary<string, Lease>(StringComparer.Ordinal);
        foreach (var component in (string[])["CCIM", "APM"])
            leases.Add(component, (await client.AcquireAsync(world.Path, new LeasePurpose(component), None)).Lease!);
        await leases[first].DisposeAsync();
        var last = leases.Single(lease => lease.Key != first).Value;
        await last.Store.ReplaceAsync(Offers, "x"u8.ToArray(), None);
        Assert.Single(world.Server.Held);
        await last.DisposeAsync();
        Assert.Empty(world.Server.Held);
        Assert.Empty(Journal(machine));
    }

    [Fact]
    public async Task What_another_program_opened_is_neither_used_nor_logged_out()
    {
        await using var world = new NwbindWorld();
        var other = await NwbindWorld.ConnectAsync(world.Path);
        var machine = world.NewMachine();
        await using var client = world.Process(machine);
        await using (var lease = (await client.AcquireAsync(world.Path, new LeasePurpose("CCIM"), None)).Lease!)
        {
            Assert.Equal(2, world.Server.Held.Count);
        }
        Assert.Single(world.Server.Held);
        Assert.True((await (await other.OpenAsync(world.Path, None)).StatAsync(StorePath.Root, None))!.IsDirectory);
        Assert.True(await other.CloseAsync(None));
    }

    private static IReadOnlyList<MachineConnection> Journal(string machine) => NalMachine.At(machine).Connections(TimeProvider.System.GetUtcNow());
}
