using System.Globalization;
using Capstan.Agent;
using Capstan.Client;
using Capstan.Client.Builds;
using Capstan.Client.State;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client.Builds;

/// <summary>The package's build starts when nothing else does: no other build takes the client's file away from it, and everybody sees which one it is.</summary>
public sealed class PackageBuildTests : IAsyncLifetime
{
    private readonly ClientFixture _f = new(new MemoryStore(new ManualTime()));
    private readonly string _package = Directory.CreateTempSubdirectory("capstan-package-").FullName;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _f.DisposeAsync();
        Directory.Delete(_package, recursive: true);
    }

    [Theory]
    // Nothing that older programs could not bear.
    [InlineData(null, null, null, true)]
    [InlineData(3, 3, null, true)]
    [InlineData(3, 5, 2, true)]
    [InlineData(5, 3, 5, true)]
    [InlineData(5, null, 9, true)]
    [InlineData(5, 3, 4, false)]
    [InlineData(5, null, 4, false)]
    [InlineData(5, 3, null, false)]
    public void A_file_is_not_changed_so_that_the_last_resort_could_not_read_it(int? wanted, int? present, int? package, bool holds)
    {
        var fault = Record.Exception(() => Migrations.KeepLastResort(wanted, present, () => package, "client.db"));
        Assert.Equal(holds ? null : "package_older", (fault as ClientException)?.Code);
    }

    [Fact]
    public void The_package_is_asked_only_when_it_matters() => Migrations.KeepLastResort(3, 3, () => throw new InvalidOperationException("asked"), "client.db");

    [Theory]
    [InlineData("echo 7", 7)]
    [InlineData("echo seven", null)]
    [InlineData("exit 2", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    public void What_the_package_says_of_its_schema(string? does, int? schema)
    {
        Make(does);
        Assert.Equal(schema, PackageBuild.Schema(_package));
    }

    [Fact]
    public async Task Every_build_says_which_schema_it_knows()
    {
        using var said = new StringWriter(CultureInfo.InvariantCulture);
        Assert.Equal(0, await AgentProgram.RunAsync([PackageBuild.SchemaArgument], new AgentConsole(TextReader.Null, said, TextWriter.Null, _ => null), _f.Time, new Random(1), ClientFixture.Stop));
        Assert.Equal(Migrations.Known.ToString(CultureInfo.InvariantCulture), said.ToString().Trim());
    }

    [Theory]
    [InlineData("9.0.0", "newer than the build that runs")]
    [InlineData("0.0.1", "0.0.1")]
    public async Task A_package_that_was_renewed_beside_a_build_shows(string version, string says)
    {
        await _f.InstallAsync();
        Make($"echo {version}");
        Assert.Null((await _f.StatusAsync()).PackageVersion);
        _f.Options = new ClientOptions { Directory = _f.Options.Directory, Build = new BuildIdentity("1.0.0-a", _package) };
        var status = await _f.StatusAsync();
        Assert.Equal(version, status.PackageVersion);
        Assert.Contains(says, StatusTable.Of(status), StringComparison.Ordinal);
        Assert.Equal(version == "9.0.0", StatusTable.Of(status).Contains("newer than", StringComparison.Ordinal));
        _f.Options = new ClientOptions { Directory = _f.Options.Directory, Build = new BuildIdentity(ClientBuild.OfPackage, _package) };
        Assert.Null((await _f.StatusAsync()).PackageVersion);
    }

    private void Make(string? does)
    {
        if (does is null)
            return;
        Assert.SkipWhen(OperatingSystem.IsWindows(), "a script stands for the program");
        var program = Path.Combine(_package, BuildFile.Program);
        File.WriteAllText(program, $"#!/bin/sh\n{does}\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
