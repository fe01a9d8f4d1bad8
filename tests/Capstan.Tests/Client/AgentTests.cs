using System.Text.Json;
using Capstan.Agent;
using Capstan.Testing;

namespace Capstan.Tests.Client;

/// <summary>Verbs of the executable, run in this process.</summary>
public sealed class AgentTests
{
    [Fact]
    public async Task Inventory_prints_this_machine_without_an_installation()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "inventories are collected on Linux");
        var (_, output, _) = await RunAsync(CancellationToken.None, "inventory", "-o", "json", "--data", "/nonexistent");
        using var json = JsonDocument.Parse(output);
        Assert.NotEqual("", json.RootElement.GetProperty("hardware").GetProperty("system").GetProperty("hostName").GetString());
        Assert.True(json.RootElement.TryGetProperty("software", out _));
    }

    [Fact]
    public async Task Why_of_a_machine_without_a_client_says_so()
    {
        var (code, _, error) = await RunAsync(CancellationToken.None, "why", "k3fq7xzt", "--data", "/nonexistent");
        Assert.Equal(4, code);
        Assert.Contains("capstan-client install", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_finite_verb_that_was_stopped_has_failed()
    {
        var (code, _, error) = await RunAsync(new CancellationToken(canceled: true), "status", "--data", "/nonexistent");
        Assert.Equal(1, code);
        Assert.Contains("stopped before it was done", error, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Out, string Error)> RunAsync(CancellationToken stop, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var console = new AgentConsole(TextReader.Null, output, error, _ => null);
        var code = await AgentProgram.RunAsync(args, console, new ManualTime(), new Random(1), stop);
        return (code, output.ToString(), error.ToString());
    }
}
