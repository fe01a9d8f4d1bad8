using System.Globalization;

namespace Capstan.ServerTests.Distribution;

/// <summary>Packages of operating systems that the tests build: published, their proposed lines used, installed by a real client into a tree of its own, renewed, and removed again.</summary>
public sealed class NativePackageTests(DistributedSite site) : IClassFixture<DistributedSite>
{
    private const string Name = "capstan-hello";

    [Fact]
    public async Task Debian_package_is_installed_by_its_proposed_line_renewed_and_removed_when_the_machine_leaves_and_when_the_offer_is_removed()
    {
        var tree = site.At("tree");
        foreach (var folder in (string[])["info", "updates", "triggers"])
            Directory.CreateDirectory(Path.Combine(tree, "var/lib/dpkg", folder));
        await File.WriteAllTextAsync(Path.Combine(tree, "var/lib/dpkg/status"), "");

        var first = await site.JsonAsync("package", "create", await BuildAsync(1), "--name", Name);
        Assert.Equal(("deb", Name, "1.0", "all"), Native(first));
        // Nothing but what is not the package's: the lines are proposed.
        var program = (await site.JsonAsync("program", "create", Name, "--env", $"DPKG_ROOT={tree}")).GetProperty("rules");
        Assert.Equal(("install", Name), Line(program.GetProperty("native")));
        Assert.Equal(("remove", Name), Line(program.GetProperty("removal").GetProperty("native")));
        await site.CapstanAsync("collection", "create", "Hello", "--member", site.OnBoth.DeviceId);
        var id = await site.AdvertiseAsync(Name, "Hello");
        await SettleAsync(async () => await StatusAsync() == "install ok installed 1.0");
        Assert.Equal("1", Version());

        await site.CapstanAsync("package", "create", await BuildAsync(2), "--id", Name);
        await site.CapstanAsync("advertisement", "edit", id, "--package-version", "newest");
        await SettleAsync(async () => await StatusAsync() == "install ok installed 2.0");
        Assert.Equal("2", Version());
        await site.SettledAsync(id, HasSucceeded, site.OnBoth);
        await site.UntilAsync(async () => (await site.FunnelAsync(id)).Succeeded == 1, "the site does not know that it is installed");

        // It leaves the collection: a question first, since what was installed goes.
        Assert.Contains("would remove what was installed", await RefusedAsync("collection", "drop", "Hello", site.OnBoth.DeviceId), StringComparison.Ordinal);
        await site.CapstanAsync("collection", "drop", "Hello", site.OnBoth.DeviceId, "--yes");
        await SettleAsync(IsGoneAsync);
        Assert.Null(Version());

        await site.CapstanAsync("collection", "add", "Hello", site.OnBoth.DeviceId);
        await SettleAsync(async () => await StatusAsync() == "install ok installed 2.0");
        await site.SettledAsync(id, HasSucceeded, site.OnBoth);
        await site.UntilAsync(async () => (await site.FunnelAsync(id)).Succeeded == 1, "the site does not know that it is installed again");

        Assert.Contains("would remove what was installed", await RefusedAsync("advertisement", "remove", id), StringComparison.Ordinal);
        await site.CapstanAsync("advertisement", "remove", id, "--yes");
        await SettleAsync(IsGoneAsync);
        await site.UntilAsync(async () => await site.OnBoth.FindAsync(id) is null, "the client has not forgotten it");
        await site.EndAsync();

        string? Version() => File.Exists(Path.Combine(tree, "usr/share", Name, "version")) ? File.ReadAllText(Path.Combine(tree, "usr/share", Name, "version")) : null;

        // dpkg wants a package gone before it has removed its files: the third word says when it has.
        async Task<bool> IsGoneAsync() => (await StatusAsync()).Split(' ') is not [_, _, var state, ..] || state is "not-installed" or "config-files";

        async Task<string> StatusAsync() => (await Tools.TryAsync("dpkg-query", [$"--root={tree}", "--show", "--showformat=${Status} ${Version}", Name])).Output;
    }

    [Fact]
    public async Task Rpm_package_is_installed_by_its_proposed_line_renewed_and_removed_with_the_offer()
    {
        const string Hallo = "capstan-hallo";
        var (tree, home) = (site.At("rpm-tree"), site.At("rpm-home"));
        Directory.CreateDirectory(home);
        await File.WriteAllTextAsync(Path.Combine(home, ".rpmmacros"), $"%_dbpath {tree}/db\n");

        var first = await site.JsonAsync("package", "create", await BuildRpmAsync(Hallo, 1, tree), "--name", Hallo);
        Assert.Equal(("rpm", Hallo, "1.0-1", "noarch"), Native(first));
        var program = (await site.JsonAsync("program", "create", Hallo, "--env", $"HOME={home}")).GetProperty("rules");
        Assert.Equal(("install", Hallo), Line(program.GetProperty("native")));
        Assert.Equal(("remove", Hallo), Line(program.GetProperty("removal").GetProperty("native")));
        await site.CapstanAsync("collection", "create", "Hallo", "--member", site.OnBoth.DeviceId);
        var id = await site.AdvertiseAsync(Hallo, "Hallo");
        await SettleAsync(HasSucceededAsync);
        Assert.Equal(("1.0-1", "1\n"), await InstalledAsync());

        await site.CapstanAsync("package", "create", await BuildRpmAsync(Hallo, 2, tree), "--id", Hallo);
        await site.CapstanAsync("advertisement", "edit", id, "--package-version", "newest");
        await SettleAsync(async () => await VersionAsync() == "2\n" && await HasSucceededAsync());
        Assert.Equal(("2.0-1", "2\n"), await InstalledAsync());
        await site.SettledAsync(id, HasSucceeded, site.OnBoth);
        await site.UntilAsync(async () => (await site.FunnelAsync(id)).Succeeded == 1, "the site does not know that it is installed");

        await site.CapstanAsync("advertisement", "remove", id, "--yes");
        await SettleAsync(async () => await site.OnBoth.FindAsync(id) is null);
        Assert.Equal(("", ""), await InstalledAsync());
        await site.EndAsync();

        async Task<bool> HasSucceededAsync() => HasSucceeded(await site.OnBoth.FindAsync(id));

        async Task<string> VersionAsync() => Path.Combine(tree, "version") is var file && File.Exists(file) ? await File.ReadAllTextAsync(file) : "";

        // Whoever asks while a package is installed may be in its way.
        async Task<(string, string)> InstalledAsync() =>
            ((await Tools.TryAsync("rpm", ["--dbpath", Path.Combine(tree, "db"), "--query", "--all", "--queryformat", "%{VERSION}-%{RELEASE}"])).Output, await VersionAsync());
    }

    /// <summary>A contact with what is published now, and the work that follows.</summary>
    private async Task SettleAsync(Func<Task<bool>> isThere)
    {
        await site.PublishedAsync();
        await site.OnBoth.BeginAsync();
        await site.UntilAsync(isThere, "it did not come about");
    }

    private async Task<string> RefusedAsync(params string[] words)
    {
        var (code, output, errors) = await Up.CapstanProcess.RunAsync(site.At(""), words);
        Assert.Equal(1, code);
        return output + errors;
    }

    private static bool HasSucceeded(Capstan.Client.ProgramView? program) => program?.State == "succeeded";

    private static (string, string) Line(System.Text.Json.JsonElement native) => (native.GetProperty("action").GetString()!, native.GetProperty("package").GetString()!);

    private static (string, string, string, string) Native(System.Text.Json.JsonElement package)
    {
        var native = package.GetProperty("native");
        return (native.GetProperty("format").GetString()!, native.GetProperty("name").GetString()!, native.GetProperty("version").GetString()!, native.GetProperty("architecture").GetString()!);
    }

    private async Task<string> BuildAsync(int version)
    {
        var source = site.At(string.Create(CultureInfo.InvariantCulture, $"deb-{version}"));
        Directory.CreateDirectory(Path.Combine(source, "DEBIAN"));
        Directory.CreateDirectory(Path.Combine(source, "usr/share", Name));
        await File.WriteAllTextAsync(Path.Combine(source, "DEBIAN/control"),
            string.Create(CultureInfo.InvariantCulture, $"Package: {Name}\nVersion: {version}.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: A sample\n"));
        await File.WriteAllTextAsync(Path.Combine(source, "usr/share", Name, "version"), version.ToString(CultureInfo.InvariantCulture));
        var package = Path.Combine(Directory.CreateDirectory(source + "-built").FullName, Name + ".deb");
        await Tools.RunAsync("dpkg-deb", ["--root-owner-group", "--build", source, package]);
        return package;
    }

    /// <summary>Its one file lies where it is built for: a tree of the test's own.</summary>
    private async Task<string> BuildRpmAsync(string name, int version, string tree)
    {
        var top = site.At(string.Create(CultureInfo.InvariantCulture, $"rpm-{version}"));
        Directory.CreateDirectory(top);
        var spec = Path.Combine(top, "package.spec");
        await File.WriteAllTextAsync(spec, string.Create(CultureInfo.InvariantCulture, $$"""
            Name: {{name}}
            Version: {{version}}.0
            Release: 1
            Summary: A sample
            License: None
            BuildArch: noarch
            %description
            A sample.
            %install
            mkdir -p %{buildroot}{{tree}}
            echo {{version}} > %{buildroot}{{tree}}/version
            %files
            {{tree}}/version
            """));
        await Tools.RunAsync("rpmbuild", ["-bb", "--quiet", "--define", $"_topdir {top}", spec]);
        return Path.Combine(top, "RPMS", "noarch", string.Create(CultureInfo.InvariantCulture, $"{name}-{version}.0-1.noarch.rpm"));
    }
}
