using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace Capstan.ServerTests.Up;

/// <summary><c>capstan up</c> as its users start it: a process, a directory, and nothing else.</summary>
public sealed class UpTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Up_once_puts_this_machine_into_the_database()
    {
        using var directory = new TemporaryDirectory();
        var (code, output, errors) = await CapstanProcess.RunAsync(directory.Path, "up", "--port", "0", "--once");
        Assert.True(code == 0, errors);
        Assert.Contains(Dns.GetHostName(), output, StringComparison.Ordinal);
        Assert.DoesNotContain("capstan1.", output + errors, StringComparison.Ordinal); // the token is a secret

        using var database = Open(directory);
        Assert.Equal(1L, Scalar(database, "select count(*) from device where state = 'approved'"));
        Assert.True(Scalar(database, "select count(*) from software") > 0);
    }

    [Fact]
    public async Task Verbs_of_the_command_line_show_the_machine_while_up_runs()
    {
        using var directory = new TemporaryDirectory();
        await using var up = await RunningAsync(directory);

        var (code, output, errors) = await CapstanProcess.RunAsync(directory.Path, "client", "list", "-o", "json");
        Assert.True(code == 0, errors);
        var client = Assert.Single(JsonDocument.Parse(output).RootElement.EnumerateArray());
        Assert.Equal(Dns.GetHostName(), client.GetProperty("hostName").GetString());
        Assert.Equal("approved", client.GetProperty("state").GetString());
        Assert.True(client.GetProperty("memoryBytes").GetInt64() > 0);
        Assert.True(client.GetProperty("sequence").GetInt64() > 0);

        var (csvCode, csv, _) = await CapstanProcess.RunAsync(directory.Path, "client", "list", "-o", "csv");
        Assert.Equal(0, csvCode);
        Assert.Equal(2, csv.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);

        var (missing, _, _) = await CapstanProcess.RunAsync(directory.Path, "client", "show", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        Assert.Equal(4, missing);
        var (usage, _, _) = await CapstanProcess.RunAsync(directory.Path, "client", "frobnicate");
        Assert.Equal(2, usage);
    }

    [Fact]
    public async Task A_second_up_in_the_same_directory_says_who_holds_it()
    {
        using var directory = new TemporaryDirectory();
        await using var up = await RunningAsync(directory);
        var (code, _, errors) = await CapstanProcess.RunAsync(directory.Path, "up", "--port", "0", "--once");
        Assert.Equal(1, code);
        Assert.Contains(up.Id.ToString(CultureInfo.InvariantCulture), errors, StringComparison.Ordinal);
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
        using var directory = new TemporaryDirectory();
        await using var up = await RunningAsync(directory);
        var cap = directory.Combine("capstan-data/cap");
        Directory.Move(cap, cap + ".gone"); // at once, as nobody could delete it while the site writes there

        var (code, _, errors) = await CapstanProcess.RunAsync(directory.Path, "cap", "publish");
        Assert.True(code == 0, errors);
        Assert.True(File.Exists(Path.Combine(cap, "metadata", "timestamp.json")));
        Assert.NotEmpty(Directory.EnumerateFiles(Path.Combine(cap, "targets", "policy")));
    }

    /// <summary>Invariants 4 and 6: whatever a kill interrupts, the next start goes on, with one device and a chain without gaps.</summary>
    [Fact]
    public async Task Killed_at_any_moment_it_goes_on_where_it_was()
    {
        const int seed = 20261122;
        var random = new Random(seed);
        using var directory = new TemporaryDirectory();
        for (var kill = 0; kill < 15; kill++)
        {
            await using var up = CapstanProcess.Start(directory.Path, "up", "--port", "0");
            // Not a wait for anything: the moment is what the seed draws.
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(200, 5_000)), TimeProvider.System, TestContext.Current.CancellationToken);
            await up.KillAsync();
        }
        var (code, output, errors) = await CapstanProcess.RunAsync(directory.Path, "up", "--port", "0", "--once");
        Assert.True(code == 0, $"seed {seed}\n{output}\n{errors}");

        using var database = Open(directory);
        Assert.Equal(1L, Scalar(database, "select count(*) from device where state = 'approved'"));
        Assert.Equal(0L, Scalar(database, "select count(*) from quarantine"));
        Assert.Equal(Scalar(database, "select max(sequence) from ledger"), Scalar(database, "select count(*) from ledger"));
    }

    private static async Task<CapstanProcess> RunningAsync(TemporaryDirectory directory)
    {
        var (code, output, errors) = await CapstanProcess.RunAsync(directory.Path, "up", "--port", "0", "--once");
        Assert.True(code == 0, $"{output}\n{errors}");
        var up = CapstanProcess.Start(directory.Path, "up", "--port", "0");
        var listening = directory.Combine("capstan-data/site/listening");
        using var deadline = new CancellationTokenSource(Patience);
        while (!File.Exists(listening))
        {
            if (deadline.IsCancellationRequested)
                throw new TimeoutException($"up did not listen within {Patience}.\n{up.Output}\n{up.Errors}");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, CancellationToken.None);
        }
        return up;
    }

    private static SqliteConnection Open(TemporaryDirectory directory)
    {
        var connection = new SqliteConnection($"Data Source={directory.Combine("capstan-data/site/site.db")};Mode=ReadOnly;Pooling=False");
        connection.Open();
        return connection;
    }

    private static long Scalar(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }
}
