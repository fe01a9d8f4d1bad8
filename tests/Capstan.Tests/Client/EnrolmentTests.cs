using Capstan.Client;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

public sealed class EnrolmentTests : IAsyncLifetime
{
    private readonly ClientFixture _f = new(new MemoryStore(new ManualTime()));

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Fact]
    public async Task A_client_installs_asks_is_approved_and_sends_everything_at_once()
    {
        await _f.EnrolAsync();

        Assert.Empty(_f.Site.Refused);
        var request = Assert.Single(_f.Site.Items(Documents.ConfigurationRequest));
        Assert.Equal("host1", request.HostName);
        Assert.Equal("host1", Assert.Single(_f.Site.Items(Documents.HardwareInventory)).System.HostName);
        Assert.Equal("bash", Assert.Single(Assert.Single(_f.Site.Items(Documents.SoftwareInventory)).Packages).Name);
        Assert.Equal(["hardware-inventory", "software-inventory"], Assert.Single(_f.Site.Items(Documents.Heartbeat)).Components.Select(component => component.Name));
        var status = await _f.StatusAsync();
        Assert.Equal(("approved", 2L), (status.State, status.Sequence));
    }

    [Fact]
    public async Task The_one_time_secret_leaves_the_disk_with_the_approval()
    {
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.InstallAsync();
        var secret = Path.Combine(_f.Options.Directory, "keys", "enrolment-token");
        Assert.True(File.Exists(secret));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, ModeOf(secret));
        await _f.OpenAsync();
        await _f.SettleAsync();
        await _f.ApproveAsync();
        await _f.StepAsync();
        await _f.SettleAsync();
        Assert.False(File.Exists(secret));
    }

    [Fact]
    public async Task Keys_belong_to_the_owner_alone()
    {
        await _f.InstallAsync();
        var keys = Path.Combine(_f.Options.Directory, "keys");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, ModeOf(keys));
        Assert.All(Directory.GetFiles(keys).Append(Path.Combine(_f.Options.Directory, "client.db")),
            file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, ModeOf(file)));
    }

    [Fact]
    public async Task Installing_again_leaves_the_client_as_it_is()
    {
        await _f.EnrolAsync();
        var before = await _f.StatusAsync();
        await _f.InstallAsync();
        Assert.Equal((before.DeviceId, before.State, before.Sequence), await Facts());

        async Task<(string, string, long)> Facts() => await _f.StatusAsync() is var now ? (now.DeviceId, now.State, now.Sequence) : default;
    }

    [Fact]
    public async Task An_interrupted_installation_goes_on_with_the_keys_it_has()
    {
        await _f.InstallAsync();
        var before = await _f.StatusAsync();
        // What a crash before the state was written leaves.
        File.Delete(Path.Combine(_f.Options.Directory, "client.db"));
        await _f.InstallAsync();
        Assert.Equal(before.DeviceId, (await _f.StatusAsync()).DeviceId);
    }

    [Fact]
    public async Task A_token_of_another_site_is_refused_with_the_next_step()
    {
        await _f.InstallAsync();
        using var other = new TestSite(new MemoryStore(_f.Time), _f.Time, "XYZ");
        var refusal = await Assert.ThrowsAsync<ClientException>(() => _f.InstallAsync(other.Token(_f.CapPath)));
        Assert.Equal("other_site", refusal.Code);
        Assert.Contains("uninstall first", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("hello")]
    [InlineData("capstan1.e30.aaaaaa")]
    public async Task A_damaged_token_is_refused_and_nothing_is_made(string token)
    {
        Assert.Equal("bad_token", (await Assert.ThrowsAsync<ClientException>(() => _f.InstallAsync(token))).Code);
        Assert.False(Directory.Exists(_f.Options.Directory));
    }

    [Fact]
    public async Task A_second_process_is_refused_by_name_and_status_still_works()
    {
        await _f.InstallAsync();
        await _f.OpenAsync();
        var refusal = await Assert.ThrowsAsync<ClientException>(() => _f.OpenAsync());
        Assert.Equal("client_in_use", refusal.Code);
        Assert.Equal("installed", (await _f.StatusAsync()).State);
        Assert.Equal("client_in_use", (await Assert.ThrowsAsync<ClientException>(() => CapstanClient.UninstallAsync(_f.Options, ClientFixture.Stop))).Code);
    }

    [Fact]
    public async Task Uninstalling_removes_what_was_made_and_nothing_else()
    {
        await _f.InstallAsync();
        var stranger = Path.Combine(_f.Options.Directory, "mine.txt");
        await File.WriteAllTextAsync(stranger, "x");
        await CapstanClient.UninstallAsync(_f.Options, ClientFixture.Stop);
        Assert.Equal([stranger], Directory.GetFileSystemEntries(_f.Options.Directory));
        Assert.Equal("not_installed", (await Assert.ThrowsAsync<ClientException>(() => CapstanClient.UninstallAsync(_f.Options, ClientFixture.Stop))).Code);
    }

    [Fact]
    public async Task A_damaged_database_is_named_and_left_alone()
    {
        await _f.InstallAsync();
        var path = Path.Combine(_f.Options.Directory, "client.db");
        await File.WriteAllTextAsync(path, "this is not a database, whatever its name says, and it is long enough to look like one");
        var refusal = await Assert.ThrowsAsync<ClientException>(() => _f.OpenAsync());
        Assert.Equal("state_damaged", refusal.Code);
        Assert.Contains(path, refusal.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(path));
    }

    [Theory]
    [InlineData("it's \"quoted\" \\ 'x'; drop table state;--")]
    [InlineData("a blank here")]
    [InlineData("Zürich-計算機")]
    public async Task A_host_name_arrives_as_it_is(string name)
    {
        _f.HostName = name;
        await _f.EnrolAsync();
        Assert.Equal(name, _f.Site.Items(Documents.Heartbeat)[^1].HostName);
        Assert.Equal(name, _f.Site.Items(Documents.ConfigurationRequest)[^1].HostName);
    }

    [Fact]
    public async Task A_host_name_of_255_bytes_arrives_as_it_is()
    {
        _f.HostName = new string('h', 255);
        await _f.EnrolAsync();
        Assert.Equal(_f.HostName, _f.Site.Items(Documents.Heartbeat)[^1].HostName);
    }

    private static UnixFileMode ModeOf(string path)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "modes of files are a matter of Unix");
        return OperatingSystem.IsWindows() ? UnixFileMode.None : File.GetUnixFileMode(path);
    }
}
