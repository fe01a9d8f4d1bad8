using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Capstan.Testing;

namespace Capstan.ServerTests.Up;

/// <summary><c>capstan up</c> as its users start it: a process, a directory, and nothing else.</summary>
public sealed class UpTests(RunningUp running) : IClassFixture<RunningUp>
{
    [Fact]
    public void Up_once_puts_this_machine_into_the_database()
    {
        Assert.Contains(Dns.GetHostName(), running.Once, StringComparison.Ordinal);
        Assert.DoesNotContain("capstan1.", running.Once, StringComparison.Ordinal); // the token is a secret
        Assert.Equal(1L, running.ApprovedAfterOnce);
        Assert.True(running.PackagesAfterOnce > 0);
    }

    [Fact]
    public async Task Verbs_of_the_command_line_show_the_machine_while_up_runs()
    {
        var (code, output, errors) = await CapstanProcess.RunAsync(running.Directory.Path, "client", "list", "-o", "json");
        Assert.True(code == 0, errors);
        var client = Assert.Single(JsonDocument.Parse(output).RootElement.EnumerateArray());
        Assert.Equal(Dns.GetHostName(), client.GetProperty("hostName").GetString());
        Assert.Equal("approved", client.GetProperty("state").GetString());
        Assert.True(client.GetProperty("memoryBytes").GetInt64() > 0);
        Assert.True(client.GetProperty("sequence").GetInt64() > 0);

        var (csvCode, csv, _) = await CapstanProcess.RunAsync(running.Directory.Path, "client", "list", "-o", "csv");
        Assert.Equal(0, csvCode);
        Assert.Equal(2, csv.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);

        var (missing, _, _) = await CapstanProcess.RunAsync(running.Directory.Path, "client", "show", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        Assert.Equal(4, missing);
        var (usage, _, _) = await CapstanProcess.RunAsync(running.Directory.Path, "client", "frobnicate");
        Assert.Equal(2, usage);
    }

    [Fact]
    public async Task A_program_that_is_advertised_runs_on_the_machine_of_up()
    {
        var (source, ran) = (running.Directory.Combine("setup.sh"), running.Directory.Combine("ran"));
        await File.WriteAllTextAsync(source, $"#!/bin/sh\necho here >>'{ran}'\n", TestContext.Current.CancellationToken);
        Executable.Set(source, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await DoneAsync("package", "create", source, "--name", "Hello");
        await DoneAsync("program", "create", "Hello", "--run", "setup.sh");
        var id = JsonDocument.Parse(await DoneAsync("advertise", "Hello", "--to", "All Systems", "-o", "json")).RootElement.GetProperty("advertisementId").GetString()!;
        await Patience.UntilAsync(() => File.Exists(ran));
        var began = TimeProvider.System.GetTimestamp();
        while (await StateAsync() is not "succeeded" and var state)
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Patience.Limit, $"the site still says {state}");
        Assert.Equal(["here"], await File.ReadAllLinesAsync(ran, TestContext.Current.CancellationToken));

        async Task<string> StateAsync() =>
            Assert.Single(JsonDocument.Parse(await DoneAsync("advertisement", "show", id, "--clients", "-o", "json")).RootElement.EnumerateArray()).GetProperty("state").GetString()!;

        async Task<string> DoneAsync(params string[] arguments)
        {
            var (code, output, errors) = await CapstanProcess.RunAsync(running.Directory.Path, arguments);
            Assert.True(code == 0, errors);
            return output;
        }
    }

    [Fact]
    public async Task A_second_up_in_the_same_directory_says_who_holds_it()
    {
        var (code, _, errors) = await CapstanProcess.RunAsync(running.Directory.Path, "up", "--port", "0", "--once");
        Assert.Equal(1, code);
        Assert.Contains(running.Up.Id.ToString(CultureInfo.InvariantCulture), errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_in_use_is_named_with_the_way_out()
    {
        using var directory = new TemporaryDirectory();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
        var (code, _, errors) = await CapstanProcess.RunAsync(directory.Path, "up", "--port", port, "--once");
        Assert.Equal(1, code);
        Assert.Contains(port, errors, StringComparison.Ordinal);
        Assert.Contains("--port", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_deleted_access_point_is_published_again_by_one_command()
    {
        var cap = running.Directory.Combine("capstan-data/cap");
        Directory.Move(cap, cap + ".gone"); // at once, as nobody could delete it while the site writes there

        var (code, _, errors) = await CapstanProcess.RunAsync(running.Directory.Path, "cap", "publish");
        Assert.True(code == 0, errors);
        Assert.True(File.Exists(Path.Combine(cap, "metadata", "timestamp.json")));
        Assert.NotEmpty(Directory.EnumerateFiles(Path.Combine(cap, "targets", "policy")));
    }
}
