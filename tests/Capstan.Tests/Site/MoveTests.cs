using Capstan.Agent;
using Capstan.Client;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Status.Clients;
using Capstan.Site.Store;
using Capstan.Testing;

namespace Capstan.Tests.Site;

/// <summary>The verb <c>move</c> of the executable, run in this process, between two sites as they are delivered, each with its folder.</summary>
public sealed class MoveTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private readonly string _root = Directory.CreateTempSubdirectory("capstan-move-").FullName;
    private SiteHarness _old = null!, _next = null!;

    private string Data => Path.Combine(_root, "client");

    public async ValueTask InitializeAsync()
    {
        _old = await SiteHarness.CreateAsync(_time);
        await _old.AddCapAsync();
        _next = await SiteHarness.CreateAsync(_time, "XYZ");
        await _next.AddCapAsync();
        await AgentAsync(0, "install", "--token", (await _old.TokenAsync()).Encode());
        await CycleAsync(_old);
        await CycleAsync(_old);
    }

    public async ValueTask DisposeAsync()
    {
        await _old.DisposeAsync();
        await _next.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task A_client_moves_by_one_command_that_is_repeated_until_the_old_site_has_everything()
    {
        var before = Assert.Single(await ClientsAsync(_old));
        Assert.Equal("approved", before.State);
        var file = Path.Combine(_root, InstallFile.Name);
        await File.WriteAllTextAsync(file, InstallFile.Encode((await _next.TokenAsync()).Encode(), _time.GetUtcNow().AddDays(7), 1), TestContext.Current.CancellationToken);

        // The old site is off for the moment: nothing is left.
        var (_, waits) = await AgentAsync(1, "move", "--file", file, "--wait", "0");
        Assert.Contains("nothing was moved: site ABC has not acknowledged", waits, StringComparison.Ordinal);
        Assert.Equal("ABC", (await StatusAsync()).SiteCode);
        await _old.DrainAsync();
        var left = Assert.Single(await ClientsAsync(_old));
        Assert.Equal(("XYZ", "approved"), (left.MovedTo, left.State));

        var (output, _) = await AgentAsync(0, "move", "--file", file, "--wait", "0");
        Assert.Contains("Site XYZ was found at", output, StringComparison.Ordinal);
        Assert.Contains($"of site XYZ is in place of {before.DeviceId} of site ABC; fingerprint", output, StringComparison.Ordinal);
        await CycleAsync(_next);
        await CycleAsync(_next);

        var here = Assert.Single(await ClientsAsync(_next));
        Assert.Equal(("approved", before.HostName, null), (here.State, here.HostName, here.MovedTo));
        Assert.NotEqual(before.DeviceId, here.DeviceId);
        Assert.True(here.PackageCount >= 0 || here.MemoryBytes > 0);
        // Not lost there, also after a year.
        _time.Advance(TimeSpan.FromDays(365));
        var judged = Assert.Single(await _old.Get<ClientHealthReader>().ReadAsync(before.DeviceId, CancellationToken.None));
        Assert.Equal(("moved", "information"), (Assert.Single(judged.Causes).Code, judged.Causes[0].Severity));
        Assert.Empty(await _old.QuarantineAsync());
        Assert.Empty(await _next.QuarantineAsync());
        var (again, _) = await AgentAsync(0, "move", "--file", file);
        Assert.Contains("is one of site XYZ already", again, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_speaks_again_has_not_left()
    {
        var token = (await _next.TokenAsync()).Encode();
        await AgentAsync(1, "move", "--token", token, "--wait", "0");
        await _old.DrainAsync();
        Assert.NotNull(Assert.Single(await ClientsAsync(_old)).MovedTo);
        await CycleAsync(_old);
        var client = Assert.Single(await ClientsAsync(_old));
        Assert.Equal((null, null), (client.MovedTo, client.MovedAt));
        Assert.Equal("ABC", (await StatusAsync()).SiteCode);
    }

    private async Task CycleAsync(SiteHarness site)
    {
        _ = await AgentAsync(null, "run-now");
        await site.DrainAsync();
        await site.PublishAsync();
        _time.Advance(TimeSpan.FromMinutes(2));
        await site.PublishAsync();
    }

    private static async Task<IReadOnlyList<ClientSummary>> ClientsAsync(SiteHarness site) => await site.Get<DeviceStore>().ListAsync(null, null, null, 0, 100, CancellationToken.None);

    private Task<ClientStatus> StatusAsync() => CapstanClient.ReadStatusAsync(new ClientOptions { Directory = Data }, TestContext.Current.CancellationToken);

    /// <param name="expected">Exit code; null for any.</param>
    private async Task<(string Out, string Error)> AgentAsync(int? expected, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var console = new AgentConsole(TextReader.Null, output, error, name => name == NalMachine.DirectoryVariable ? Path.Combine(_root, "nal") : null) { WorkingDirectory = _root };
        var code = await AgentProgram.RunAsync([.. args, "--data", Data], console, _time, new Random(1), TestContext.Current.CancellationToken);
        if (expected is not null)
            Assert.True(code == expected, $"{string.Join(' ', args)} ended with {code}: {error}{output}");
        return (output.ToString(), error.ToString());
    }
}
