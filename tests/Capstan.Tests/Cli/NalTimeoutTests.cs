using Capstan.Cli;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Cli;

/// <summary><c>nal … --timeout</c>: how long to wait for a server that says that it is full.</summary>
public sealed class NalTimeoutTests
{
    private const string Share = "smb://fs1/cap/";

    /// <summary>What the arbiter says with <see cref="Middle"/>.</summary>
    private static readonly TimeSpan NextTry = TimeSpan.FromSeconds(30);

    private readonly MemoryProvider _server = new("MSWNET", new ManualTime()) { MaxConnections = 0 };

    [Theory]
    [InlineData("ls")]
    [InlineData("explain")]
    [InlineData("connections")]
    public async Task A_full_server_is_asked_again_when_it_is_time_to(string verb)
    {
        using var run = Run();
        var asking = run.RunAsync("nal", verb, Share, "--timeout", "2m");
        await run.Time.ArmedAsync(NextTry);
        _server.MaxConnections = 1;
        run.Time.Advance(NextTry);
        Assert.Equal(ExitCode.Done, await asking);
        Assert.Equal(2, _server.Attempts);
        Assert.Contains("is full", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, _server.OpenConnections);
    }

    [Fact]
    public async Task It_is_not_asked_when_its_next_try_is_beyond_the_time()
    {
        using var run = Run();
        Assert.Equal(ExitCode.Full, await run.RunAsync("nal", "ls", Share, "--timeout", "30s"));
        Assert.Equal(1, _server.Attempts);
        Assert.Contains("next try", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_stays_full_ends_the_verb_with_3()
    {
        using var run = Run();
        var asking = run.RunAsync("nal", "ls", Share, "--timeout", "70s");
        for (var tries = 1; tries < 3; tries++)
        {
            await run.Time.ArmedAsync(NextTry);
            Assert.Equal(tries, _server.Attempts);
            run.Time.Advance(NextTry);
        }
        Assert.Equal(ExitCode.Full, await asking);
        Assert.Equal(3, _server.Attempts);
    }

    private CliRun Run() => new() { Random = new Middle(), Storage = _ => [_server] };

    private sealed class Middle : Random
    {
        public override double NextDouble() => 0.5;
    }
}
