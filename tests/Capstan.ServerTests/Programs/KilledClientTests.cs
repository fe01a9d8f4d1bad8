using System.Globalization;
using System.Text.Json;
using Capstan.ServerTests.Up;
using Capstan.Testing;

namespace Capstan.ServerTests.Programs;

/// <summary>Site, client access point, and a client as its users start them; the client is killed while it fetches and while programs run.</summary>
public sealed class KilledClientTests
{
    private const int Programs = 4;

    [Fact]
    public async Task Client_that_is_killed_at_random_instants_runs_each_program_once()
    {
        using var directory = new TemporaryDirectory();
        await using var up = CapstanProcess.Start(directory.Path, "up", "--port", "0");
        await UntilAsync(async () => (await CapstanProcess.RunAsync(directory.Path, "client", "list", "-o", "json")) is (0, var clients, _) && clients.Contains("approved", StringComparison.Ordinal), () => up.Output + up.Errors);

        var source = Directory.CreateDirectory(Path.Combine(directory.Path, "source")).FullName;
        // It writes beside the content of the client that runs it: the count is that client's.
        await File.WriteAllTextAsync(Path.Combine(source, "setup.sh"), "#!/bin/sh\necho $CAPSTAN_PROGRAM >>\"$(dirname \"$(dirname \"$CAPSTAN_CONTENT\")\")/count\"\nexec sleep 0.3\n");
        Executable.Set(Path.Combine(source, "setup.sh"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var random = new Random(4711);
        var data = new byte[5_000_000];
        random.NextBytes(data);
        await File.WriteAllBytesAsync(Path.Combine(source, "data"), data);
        await CapstanAsync(directory, "package", "create", source, "--name", "Sample");
        for (var i = 0; i < Programs; i++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"p{i}");
            await CapstanAsync(directory, "program", "create", "Sample", "--name", name, "--run", "setup.sh", "--rerun", "never");
            await CapstanAsync(directory, "advertise", $"Sample/{name}", "--to", "All Linux");
        }
        var client = Path.Combine(directory.Path, "second");
        await File.WriteAllTextAsync(Path.Combine(directory.Path, "token"), await CapstanAsync(directory, "token", "create"));
        await using (var install = CapstanProcess.StartAgent(directory.Path, "install", "--token-file", "token", "--data", client))
            Assert.True(await install.WaitAsync(Patience.Limit) == 0, install.Errors);

        // A contact takes the orders and runs nothing.
        await UntilAsync(async () =>
        {
            await using var contact = CapstanProcess.StartAgent(directory.Path, "run-now", "--data", client);
            await contact.WaitAsync(Patience.Limit);
            return (await StatesAsync(directory, client)).Count == Programs;
        }, () => "the client has no orders");
        for (var kills = 0; kills < (LongRun.IsAsked ? 200 : 20); kills++)
        {
            await using var run = CapstanProcess.StartAgent(directory.Path, "run", "--data", client);
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(300, 1_500)), TimeProvider.System);
            await run.KillAsync();
        }
        await using var last = CapstanProcess.StartAgent(directory.Path, "run", "--data", client);
        var count = Path.Combine(client, "count");
        await UntilAsync(async () => (await StatesAsync(directory, client)).Count(state => state == "succeeded") == Programs, () => $"{last.Output}{last.Errors}{(File.Exists(count) ? File.ReadAllText(count) : "nothing ran")}");

        Assert.Equal(["p0", "p1", "p2", "p3"], (await File.ReadAllLinesAsync(count)).Order(StringComparer.Ordinal));
    }

    private static async Task<IReadOnlyList<string>> StatesAsync(TemporaryDirectory directory, string client)
    {
        await using var programs = CapstanProcess.StartAgent(directory.Path, "programs", "-o", "json", "--data", client);
        if (await programs.WaitAsync(Patience.Limit) != 0)
            return [];
        using var json = JsonDocument.Parse(programs.Output);
        return [.. json.RootElement.EnumerateArray().Select(program => program.GetProperty("state").GetString()!)];
    }

    private static async Task<string> CapstanAsync(TemporaryDirectory directory, params string[] arguments)
    {
        var (code, output, errors) = await CapstanProcess.RunAsync(directory.Path, arguments);
        Assert.True(code == 0, $"capstan {string.Join(' ', arguments)}: {errors}");
        return output;
    }

    private static async Task UntilAsync(Func<Task<bool>> isTrue, Func<string> otherwise)
    {
        using var limit = new CancellationTokenSource(Patience.Limit);
        while (!await isTrue())
        {
            if (limit.IsCancellationRequested)
                Assert.Fail(otherwise());
            await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }
}
