using System.Text.Json;
using Capstan.Client;
using Capstan.Nal.Arbiter.Machine;
using Capstan.ServerTests.Up;
using Capstan.Testing;

namespace Capstan.ServerTests.Distribution;

/// <summary>One client as its users start it: a process, with a directory, slots and a journal of its own.</summary>
/// <param name="root">Where its directory is, and the file <c>token</c>.</param>
/// <param name="enter">Words that change what it can reach, and then become it.</param>
internal sealed class Machine(string root, string name, params string[] enter) : IAsyncDisposable
{
    private readonly Dictionary<string, string> _environment = new(StringComparer.Ordinal) { [NalMachine.DirectoryVariable] = Path.Combine(root, name + "-nal") };
    private CapstanProcess? _agent;

    public string DeviceId { get; private set; } = "";

    public string Data { get; } = Path.Combine(root, name);

    /// <summary>What <see cref="Source.Setup"/> has written here, a line for each run.</summary>
    public IReadOnlyList<string> Ran => File.Exists(Path.Combine(Data, "ran")) ? File.ReadAllLines(Path.Combine(Data, "ran")) : [];

    public string Log
    {
        get
        {
            using var file = new StreamReader(new FileStream(Path.Combine(Data, "logs", "ccim.log"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
            return file.ReadToEnd();
        }
    }

    public async Task InstallAsync(params string[] more)
    {
        await RunAsync(["install", "--token-file", "token", .. more]);
        DeviceId = (await JsonAsync("status")).GetProperty("deviceId").GetString()!;
    }

    /// <summary>A contact now, then the loop; one that runs is ended before.</summary>
    public async Task BeginAsync()
    {
        await ContactAsync();
        Start();
    }

    /// <summary>The loop, which contacts its site when that is due, and not because it was started.</summary>
    public void Start() =>
        _agent = CapstanProcess.StartAgent(root, enter, _environment, "run", "--data", Data);

    public async Task EndAsync()
    {
        if (_agent is { } agent)
            await agent.DisposeAsync();
        _agent = null;
    }

    /// <summary>A contact, which takes orders and runs nothing; a loop that runs is ended before.</summary>
    public async Task ContactAsync()
    {
        await EndAsync();
        await RunAsync("run-now");
    }

    /// <summary>Where an advertisement stands, read beside the client; null before it has come.</summary>
    public async Task<ProgramView?> FindAsync(string advertisement) =>
        (await CapstanClient.ReadProgramsAsync(new ClientOptions { Directory = Data }, CancellationToken.None)).FirstOrDefault(program => program.AdvertisementId == advertisement);

    /// <summary>What <c>capstan-client why</c> says: its lines by their names, the last of each.</summary>
    public async Task<IReadOnlyDictionary<string, string>> WhyAsync(string advertisement)
    {
        var why = await JsonAsync("why", advertisement);
        return why.GetProperty("facts").EnumerateArray().GroupBy(fact => fact.GetProperty("name").GetString()!, StringComparer.Ordinal)
            .ToDictionary(facts => facts.Key, facts => facts.Last().GetProperty("value").GetString()!, StringComparer.Ordinal);
    }

    public async ValueTask DisposeAsync() => await EndAsync();

    public override string ToString() => $"--- {name}: {_agent?.Errors}\n{(File.Exists(Path.Combine(Data, "logs", "ccim.log")) ? Log : "no log")}";

    private async Task<JsonElement> JsonAsync(params string[] words) => JsonDocument.Parse(await RunAsync([.. words, "-o", "json"])).RootElement;

    private async Task<string> RunAsync(params string[] words)
    {
        await using var process = CapstanProcess.StartAgent(root, enter, _environment, [.. words, "--data", Data]);
        var code = await process.WaitAsync(Patience.Limit);
        Assert.True(code == 0, $"capstan-client {string.Join(' ', words)} ended with {code}: {process.Output}{process.Errors}{this}");
        return process.Output;
    }
}
