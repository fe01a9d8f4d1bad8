using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Security.Cryptography;
using Capstan.Nal.Paths;
using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Fleet;

/// <summary>The command line of <c>capstan-fleet</c> (design.md 11).</summary>
internal sealed class FleetArguments
{
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromHours(1);

    private readonly Option<NalPath> _cap = new("--cap") { Description = "The client access point: a NAL path or a directory", HelpName = "PATH", Required = true, CustomParser = ReadCap };
    private readonly Option<string?> _account = new("--account") { Description = "The account that reaches it, in place of the token's", HelpName = "NAME" };
    private readonly Option<string?> _passwordFile = new("--password-file") { Description = "File whose first line is its password; - for standard input (default the variable CAPSTAN_PASSWORD)", HelpName = "FILE" };
    private readonly Option<string?> _token = new("--token") { Description = "An enrolment token that serves all clients: capstan token create --uses N (also: the variable CAPSTAN_TOKEN)" };
    private readonly Option<string?> _tokenFile = new("--token-file") { Description = "A file that holds it; - for standard input", HelpName = "FILE" };
    private readonly Option<int> _clients = new("--clients") { Description = "How many", Required = true };
    private readonly Option<int> _cycles = new("--cycles") { Description = "Cycles of each client after its enrolment", DefaultValueFactory = _ => 1 };
    private readonly Option<HoldRange> _hold = new("--hold") { Description = "Seconds that a cycle's connection lasts at least: 6, or 2..10 to draw each", HelpName = "SECONDS", CustomParser = ReadHold, DefaultValueFactory = _ => HoldRange.None };
    private readonly Option<FleetStart> _start = new("--start") { Description = "at-once, or planned:SECONDS: each client at its even phase of that window", CustomParser = ReadStart };
    private readonly Option<int?> _seed = new("--seed") { Description = "Repeats machines, holds and chances of another run; default drawn, and printed" };
    private readonly Option<int> _timeout = new("--timeout") { Description = "Seconds that the whole run may take", DefaultValueFactory = _ => (int)DefaultTimeout.TotalSeconds, HelpName = "SECONDS" };
    private readonly Option<string?> _data = new("--data") { Description = "Where the clients' temporary directory is made (default the system's place)", HelpName = "DIR" };
    private readonly Option<string> _format = new("--output", "-o") { Description = "table or json", DefaultValueFactory = _ => "table" };

    public FleetArguments()
    {
        _format.AcceptOnlyFromAmong("table", "json");
        _clients.Validators.Add(result => Between(result, _clients, 1, FleetOptions.MostClients));
        _cycles.Validators.Add(result => Between(result, _cycles, 1, 100_000));
        _timeout.Validators.Add(result => Between(result, _timeout, 1, 7 * 86_400));
    }

    public RootCommand Command(Func<ParseResult, CancellationToken, Task<int>> run)
    {
        var command = new RootCommand("Runs many real clients in one process against a real client access point. Example: capstan-fleet --cap smb://fs1/cap/ --token-file token --clients 200 --hold 2..10")
        {
            _cap, _account, _passwordFile, _token, _tokenFile, _clients, _cycles, _hold, _start, _seed, _timeout, _data, _format,
        };
        command.SetAction(run);
        return command;
    }

    public bool IsJson(ParseResult parsed) => parsed.GetValue(_format) == "json";

    public TimeSpan TimeoutOf(ParseResult parsed) => TimeSpan.FromSeconds(parsed.GetValue(_timeout));

    /// <exception cref="FleetException">What is missing, or cannot be read.</exception>
    public async Task<(FleetOptions Options, FleetPlan Plan)> ReadAsync(ParseResult parsed, TextReader input, CancellationToken cancellationToken)
    {
        var seed = parsed.GetValue(_seed) ?? RandomNumberGenerator.GetInt32(int.MaxValue);
        var options = new FleetOptions
        {
            Cap = parsed.GetValue(_cap)!,
            Token = Decode(await TokenAsync(parsed, input, cancellationToken)),
            Account = await AccountAsync(parsed, input, cancellationToken),
            Clients = parsed.GetValue(_clients),
            Seed = seed,
            Parent = parsed.GetValue(_data),
        };
        return (options, new FleetPlan(parsed.GetValue(_start), parsed.GetValue(_cycles), parsed.GetValue(_hold)!, seed));
    }

    private async Task<string> TokenAsync(ParseResult parsed, TextReader input, CancellationToken cancellationToken) =>
        parsed.GetValue(_token) is { Length: > 0 } token ? token
        : parsed.GetValue(_tokenFile) is { Length: > 0 } file ? await ReadAsync(file, input, cancellationToken)
        : Environment.GetEnvironmentVariable("CAPSTAN_TOKEN") is { Length: > 0 } variable ? variable
        : throw new FleetException("no token: give --token-file F (- for standard input), the variable CAPSTAN_TOKEN, or --token T, which everybody on this machine can read; `capstan token create --uses N` makes one", ExitCode.Usage);

    private async Task<AccountSecret?> AccountAsync(ParseResult parsed, TextReader input, CancellationToken cancellationToken)
    {
        var file = parsed.GetValue(_passwordFile);
        if (parsed.GetValue(_account) is not { Length: > 0 } name)
            return file is null ? null : throw new FleetException("--password-file needs --account", ExitCode.Usage);
        var password = file is not null ? (await ReadAsync(file, input, cancellationToken)).Split('\n')[0].TrimEnd('\r')
            : Environment.GetEnvironmentVariable("CAPSTAN_PASSWORD") is { Length: > 0 } variable ? variable
            : throw new FleetException($"no password for {name}: give --password-file F (- for standard input), or the variable CAPSTAN_PASSWORD", ExitCode.Usage);
        return new AccountSecret(name, password);
    }

    private static Task<string> ReadAsync(string file, TextReader input, CancellationToken cancellationToken) =>
        file == "-" ? input.ReadToEndAsync(cancellationToken) : File.ReadAllTextAsync(file, cancellationToken);

    private static EnrolmentToken Decode(string text)
    {
        try
        {
            return EnrolmentToken.Decode(text.Trim());
        }
        catch (ProtocolException e)
        {
            throw new FleetException($"{e.Message}; ask for a new one with: capstan token create --uses N", ExitCode.Usage, e);
        }
    }

    private static NalPath? ReadCap(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (NalPath.TryParse(text, out var path, out var error))
            return path;
        try
        {
            if (Path.IsPathRooted(text) || text.StartsWith('.'))
                return NalPath.FromDirectory(text);
        }
        catch (ArgumentException e)
        {
            result.AddError($"--cap: {e.Message}");
            return null;
        }
        result.AddError($"--cap: column {error.Column}: expected {error.Expected}; give a NAL path, or a directory");
        return null;
    }

    private static HoldRange ReadHold(ArgumentResult result)
    {
        if (!HoldRange.TryParse(result.Tokens[0].Value, out var range, out var fault))
            result.AddError($"--hold: {fault}");
        return range;
    }

    private static FleetStart ReadStart(ArgumentResult result)
    {
        if (!FleetStart.TryParse(result.Tokens[0].Value, out var start, out var fault))
            result.AddError($"--start: {fault}");
        return start;
    }

    private static void Between(OptionResult result, Option<int> option, int least, int most)
    {
        if (result.GetValue(option) is var value && (value < least || value > most))
            result.AddError(string.Create(CultureInfo.InvariantCulture, $"{option.Name} is {value}, and must be from {least} to {most}"));
    }
}
