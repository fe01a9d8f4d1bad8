using Capstan.Cli;

namespace Capstan.Tests.Cli;

/// <summary><c>backup</c>, <c>restore</c>, <c>site new-epoch</c>, <c>site rotate-keys</c>: what they print, and how they end.</summary>
public sealed class KeepingVerbTests : IDisposable
{
    private readonly CliRun _cli = new();

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task A_site_is_backed_up_restored_and_begins_anew()
    {
        Assert.Equal(ExitCode.Done, await _cli.RunAsync("site", "init", "ABC", "--data", "site"));
        Assert.Equal(ExitCode.Done, await _cli.RunAsync("backup", "b1", "--data", "site"));
        Assert.Contains("Site ABC (epoch 1, version 0, 0 clients) is in", _cli.Out, StringComparison.Ordinal);
        Assert.Contains("It is a secret", _cli.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Done, await _cli.RunAsync("restore", "b1", "--data", "site2"));
        Assert.Contains($"epoch {_cli.Time.GetUtcNow().ToUnixTimeMilliseconds()}, 0 clients", _cli.Out, StringComparison.Ordinal);
        _cli.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(ExitCode.Done, await _cli.RunAsync("site", "new-epoch", "--data", "site2"));
        Assert.Contains($"Began anew: site ABC", _cli.Out, StringComparison.Ordinal);
        Assert.Contains($"epoch {_cli.Time.GetUtcNow().ToUnixTimeMilliseconds()}, 0 clients", _cli.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ExitCode.Failed, "choose a directory of its own", "backup", "site", "--data", "site")]
    [InlineData(ExitCode.Failed, "is not a complete backup", "restore", "site", "--data", "new")]
    [InlineData(ExitCode.Usage, "--data", "restore", "site")]
    [InlineData(ExitCode.NotFound, "is not a site's directory", "backup", "b1", "--data", "elsewhere")]
    [InlineData(ExitCode.Failed, "has never published", "site", "rotate-keys", "--data", "site")]
    [InlineData(ExitCode.Usage, "the root key has --root", "site", "rotate-keys", "--data", "site", "--role", "root")]
    public async Task Each_refusal_has_its_code_and_its_cause(int code, string cause, params string[] arguments)
    {
        Assert.Equal(ExitCode.Done, await _cli.RunAsync("site", "init", "ABC", "--data", "site"));
        Assert.Equal(code, await _cli.RunAsync(arguments));
        Assert.Contains(cause, _cli.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(_cli.Directory, "new")));
    }
}
