using System.Net;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.ServerTests.Smb;
using Capstan.ServerTests.Up;
using Capstan.Testing;
using Capstan.Testing.Servers;
using Capstan.Testing.Smb;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.ServerTests.Arbiter;

/// <summary>Design, section 10, invariants 1 and 2, with real processes: one machine, servers that count, and kill -9.</summary>
public sealed class ProcessTests : IDisposable
{
    private const string Account = "capa";
    private static readonly int Kills = LongRun.IsAsked ? 500 : 20;

    private readonly TemporaryDirectory _machine = new();

    public void Dispose() => _machine.Dispose();

    [Fact]
    public async Task Eight_processes_never_exceed_the_budget_of_their_machine()
    {
        await using var server = new SmbTestServer();
        // A second session at one time would be refused, and a worker would say so.
        server.Rules.Licences.Sessions = 1;
        server.Listen();
        var workers = Enumerable.Range(0, 8).Select(_ => Worker.Start(server.Port, Account, server.Rules.Accounts[Account], rounds: 30, _machine.Path, "data")).ToArray();
        await AllDoneAsync(workers);
        Assert.Equal(SmbHoldings.Nothing, server.Holdings);
        Assert.Empty(server.Complaints);
        Assert.Empty(Journal());
    }

    [Fact]
    public async Task A_client_installation_uses_one_licence_whatever_contexts_it_runs_under()
    {
        await using var server = new SmbTestServer();
        server.Rules.Licences.Sessions = 1;
        server.Listen();
        var workers = server.Rules.Accounts.SelectMany(account => Enumerable.Repeat(account, 3))
            .Select(account => Worker.Start(server.Port, account.Key, account.Value, rounds: 5, _machine.Path, "data")).ToArray();
        await AllDoneAsync(workers);
        Assert.Equal(SmbHoldings.Nothing, server.Holdings);
    }

    [Fact]
    public async Task A_connection_joined_by_a_second_component_is_closed_when_both_are_done()
    {
        await using var server = await SambaServer.StartAsync();
        await using var arbiter = New(server);
        var path = NalPath.Parse($"smb://127.0.0.1:{server.Port}/cap/");
        var first = (await arbiter.AcquireAsync(path, new LeasePurpose("CCIM"), CancellationToken.None)).Lease!;
        var second = (await arbiter.AcquireAsync(path, new LeasePurpose("APM"), CancellationToken.None)).Lease!;
        Assert.Single((await server.StatusAsync()).Sessions);
        await first.DisposeAsync();
        Assert.Equal((1, "APM"), (Assert.Single(arbiter.Connections()).ReferenceCount, arbiter.Connections()[0].Holders[0]));
        Assert.Single((await server.StatusAsync()).Sessions);
        await second.DisposeAsync();
        Assert.True((await server.StatusAsync()).IsEmpty);
        Assert.Empty(Journal());
    }

    [Fact]
    public async Task Whoever_is_killed_leaves_the_server_nothing_and_the_others_their_turn()
    {
        await using var server = await SambaServer.StartAsync();
        var random = new Random(20261122);
        var workers = Enumerable.Range(0, 3).Select(_ => Start(server, rounds: 0)).ToArray();
        try
        {
            for (var kill = 0; kill < Kills; kill++)
            {
                var victim = random.Next(workers.Length);
                // Anywhere between one lease and the next, or while it waits for its turn.
                await workers[victim].SaidAsync(kill % 2 == 0 ? Worker.Held : Worker.Back);
                await workers[victim].KillAsync();
                await workers[victim].DisposeAsync();
                workers[victim] = Start(server, rounds: 0);
                Assert.InRange((await server.StatusAsync()).Sessions.Count, 0, 2);
            }
            foreach (var worker in workers)
            {
                await worker.SaidAsync(Worker.Back);
                await worker.KillAsync();
            }
        }
        finally
        {
            foreach (var worker in workers)
                await worker.DisposeAsync();
        }
        Assert.True((await server.StatusAsync(status => status.IsEmpty)).IsEmpty);
        await using var next = Start(server, rounds: 1);
        Assert.Equal("", await next.EndAsync());
        Assert.Empty(Journal());
        Assert.True((await server.StatusAsync()).IsEmpty);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.2")]
    public async Task A_machine_that_vanished_frees_its_connection_with_its_next_logon_from_whatever_address(string address)
    {
        await using var server = await SambaServer.StartAsync();
        await using var relay = new DeafRelay(server.Port);
        await using (var lost = Worker.Start(relay.Port, Account, SambaServer.PasswordOf(Account), Worker.Holding, _machine.Path))
        {
            await lost.SaidAsync(Worker.Held);
            await lost.KillAsync();
        }
        var ghost = Assert.Single(Journal());
        Assert.Equal("ghost", ghost.State);
        Assert.Contains("ended by the next logon of capa", ghost.NextStep, StringComparison.Ordinal);
        Assert.Single((await server.StatusAsync()).Sessions);

        relay.Source = IPAddress.Parse(address);
        await using var next = Worker.Start(relay.Port, Account, SambaServer.PasswordOf(Account), rounds: 1, _machine.Path);
        Assert.Equal("", await next.EndAsync());
        Assert.Empty((await server.StatusAsync(status => status.IsEmpty)).Sessions);
        Assert.Empty(Journal());
    }

    [Fact]
    public async Task The_journal_shows_who_holds_a_connection_and_what_a_dead_process_left()
    {
        await using var server = await SambaServer.StartAsync();
        await using (var holder = Start(server, Worker.Holding))
        {
            await holder.SaidAsync(Worker.Held);
            Assert.Contains("worker", await CapstanAsync("nal", "connections"), StringComparison.Ordinal);
            var busy = await CapstanProcess.RunAsync(_machine.Path, "nal", "ls", $"smb://127.0.0.1:{server.Port}/cap/", "--account", Account, "--password-file", PasswordFile(),
                "--timeout", "1s", "--nal-dir", _machine.Path);
            Assert.Equal(3, busy.ExitCode);
            Assert.Contains("of process", busy.Errors, StringComparison.Ordinal);
            await holder.KillAsync();
        }
        Assert.Contains("ghost", await CapstanAsync("nal", "connections", "-o", "csv"), StringComparison.Ordinal);
        Assert.Contains("is abandoned", await CapstanAsync("nal", "drop", "capa/Resource0"), StringComparison.Ordinal);
        var ended = await CapstanProcess.RunAsync(_machine.Path, "nal", "ls", $"smb://127.0.0.1:{server.Port}/cap/", "--account", Account, "--password-file", PasswordFile(), "--nal-dir", _machine.Path);
        Assert.Equal((0, ""), (ended.ExitCode, ended.Errors));
        Assert.Contains("No connection is open", await CapstanAsync("nal", "connections"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("slots")]
    [InlineData("journal")]
    public async Task A_machine_whose_slots_or_journal_are_read_only_opens_nothing_and_says_where(string what)
    {
        Tools.Require("unshare", "mount");
        Tools.RequireRoot("a part of the disk is mounted read-only");
        await using var server = await SambaServer.StartAsync();
        var folder = what == "slots" ? NalMachine.At(_machine.Path).Slots : NalMachine.At(_machine.Path).Journal;
        Directory.CreateDirectory(folder);
        string[] readOnly = ["unshare", "--mount", "sh", "-c", "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"", folder];
        await using var worker = Worker.Start(server.Port, Account, SambaServer.PasswordOf(Account), rounds: 1, _machine.Path, within: readOnly);
        var said = await worker.EndAsync();
        Assert.Contains(folder, said, StringComparison.Ordinal);
        Assert.Contains("Read-only file system", said, StringComparison.Ordinal);
        Assert.True((await server.StatusAsync()).IsEmpty);
    }

    /// <summary>The first address answers nobody. Whatever address serves, the name is one server with one slot.</summary>
    [Fact]
    public async Task A_name_with_two_addresses_is_one_server_and_is_reached_by_the_one_that_answers()
    {
        Tools.Require("unshare", "mount");
        Tools.RequireRoot("another /etc/hosts is mounted");
        await using var server = new SmbTestServer();
        server.Rules.Licences.Sessions = 1;
        server.Listen();
        var hosts = Path.Combine(_machine.Path, "hosts");
        await File.WriteAllTextAsync(hosts, "127.0.0.9 two.example\n127.0.0.1 two.example\n", CancellationToken.None);
        string[] resolving = ["unshare", "--mount", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\"", hosts];
        var workers = Enumerable.Range(0, 3).Select(_ => Worker.Start(server.Port, Account, server.Rules.Accounts[Account], rounds: 5, _machine.Path, "data", "two.example", resolving)).ToArray();
        await AllDoneAsync(workers);
        Assert.Equal(SmbHoldings.Nothing, server.Holdings);
        Assert.Empty(server.Complaints);
        Assert.Empty(Journal());
    }

    private static async Task AllDoneAsync(IReadOnlyList<Worker> workers)
    {
        try
        {
            foreach (var worker in workers)
                Assert.Empty(await worker.EndAsync());
        }
        finally
        {
            foreach (var worker in workers)
                await worker.DisposeAsync();
        }
    }

    private async Task<string> CapstanAsync(params string[] arguments)
    {
        var (code, output, errors) = await CapstanProcess.RunAsync(_machine.Path, [.. arguments, "--nal-dir", _machine.Path]);
        Assert.True(code == 0, errors);
        return output;
    }

    private string PasswordFile()
    {
        var path = Path.Combine(_machine.Path, "password");
        File.WriteAllText(path, SambaServer.PasswordOf(Account));
        return path;
    }

    private Worker Start(SambaServer server, int rounds) => Worker.Start(server.Port, Account, SambaServer.PasswordOf(Account), rounds, _machine.Path);

    private ConnectionArbiter New(SambaServer server)
    {
        var arbiter = new ConnectionArbiter(StorageProviders.All(TimeProvider.System), new ArbiterOptions { Machine = NalMachine.At(_machine.Path) }, TimeProvider.System, new Random(1), NullLoggerFactory.Instance);
        arbiter.SetAccounts($"127.0.0.1:{server.Port}", [new ConnectionAccount(Account, new Secret(SambaServer.PasswordOf(Account)))]);
        return arbiter;
    }

    private IReadOnlyList<MachineConnection> Journal() => NalMachine.At(_machine.Path).Connections(TimeProvider.System.GetUtcNow());
}
