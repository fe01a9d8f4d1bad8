using Capstan.Cli;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Cli;

/// <summary><c>nal … --timeout</c>: how long to wait for a server that says that it is full.</summary>
public sealed class NalTimeoutTests
{
    private const string Share = "smb://fs1/cap/";

    /// <summary>The arbiter's waits with <see cref="Middle"/>: decorrelated jitter from a second up to three times the wait before.</summary>
    private static readonly TimeSpan First = TimeSpan.FromSeconds(2), Second = TimeSpan.FromSeconds(3.5);

    /// <summary>The arbiter looks twice a second.</summary>
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(0.5);

    private readonly MemoryProvider _server = new("MSWNET", new ManualTime()) { MaxConnections = 0 };

    [Theory]
    [InlineData("ls")]
    [InlineData("explain")]
    public async Task A_full_server_is_asked_again_when_it_is_time_to(string verb)
    {
        using var run = Run();
        var asking = run.RunAsync("nal", verb, Share, "--timeout", "2m");
        await ToldAsync(run, 1);
        _server.MaxConnections = 1;
        run.Time.Advance(First);
        Assert.Equal(ExitCode.Done, await asking);
        Assert.Equal(2, _server.Attempts);
        Assert.Contains("is full (0 of 0 connections); next try", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, _server.OpenConnections);
    }

    [Fact]
    public async Task It_is_not_asked_when_its_next_try_is_beyond_the_time()
    {
        using var run = Run();
        Assert.Equal(ExitCode.Full, await run.RunAsync("nal", "ls", Share, "--timeout", "2s"));
        Assert.Equal(1, _server.Attempts);
        Assert.Contains("next try", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_stays_full_ends_the_verb_with_3()
    {
        using var run = Run();
        var asking = run.RunAsync("nal", "ls", Share, "--timeout", "10s");
        await ToldAsync(run, 1);
        run.Time.Advance(First);
        await ToldAsync(run, 2);
        // Whether the next one is in time depends on where the beat stood: it is either asked, or not.
        run.Time.Advance(Second + Beat);
        run.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(ExitCode.Full, await asking);
        Assert.InRange(_server.Attempts, 2, 3);
    }

    /// <summary>The verb has said so many times when it asks again: before, its next try is not fixed, and time must not pass.</summary>
    private static Task ToldAsync(CliRun run, int times) => Patience.UntilAsync(() => run.Error.Split("next try").Length > times);

    private CliRun Run() => new() { Random = new Middle(), Storage = _ => [_server] };

    private sealed class Middle : Random
    {
        public override double NextDouble() => 0.5;
    }
}
