using Capstan.Client;
using Capstan.Client.Builds;
using Capstan.Client.Identity;
using Capstan.Client.State;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>Each byte prefix of each file that a client keeps, as a disk may leave it: refused with its cause, or read as what it was before; never a crash, and never half of it.</summary>
public sealed class StateFilePrefixTests : IAsyncLifetime
{
    private readonly ClientFixture _f = new(new MemoryStore(new ManualTime()));

    public async ValueTask InitializeAsync()
    {
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.InstallAsync();
    }

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Theory]
    [InlineData(DeviceKeys.SigningFile, "keys_damaged")]
    [InlineData(DeviceKeys.SealingFile, "keys_damaged")]
    public async Task Every_prefix_of_a_key_is_refused_and_nothing_is_made_in_its_place(string file, string code)
    {
        var path = Path.Combine(_f.Options.Directory, DeviceKeys.Folder, file);
        var whole = await File.ReadAllBytesAsync(path, ClientFixture.Stop);
        // The last byte is a line end or the last dash of a mark: without it, it is no key.
        for (var length = 0; length < whole.Length; length++)
        {
            await File.WriteAllBytesAsync(path, whole[..length], ClientFixture.Stop);
            Assert.Equal(code, Assert.Throws<ClientException>(() => DeviceKeys.Load(_f.Options.Directory)).Code);
            Assert.Equal(length, new FileInfo(path).Length);
        }
    }

    [Fact]
    public async Task Every_prefix_of_the_stored_token_is_refused()
    {
        var path = Path.Combine(_f.Options.Directory, DeviceKeys.Folder, EnrolmentSecret.FileName);
        var whole = await File.ReadAllBytesAsync(path, ClientFixture.Stop);
        for (var length = 0; length < whole.Length; length++)
        {
            await File.WriteAllBytesAsync(path, whole[..length], ClientFixture.Stop);
            Assert.Equal("bad_token", (await Assert.ThrowsAsync<ClientException>(async () => await EnrolmentSecret.LoadAsync(_f.Options.Directory, ClientFixture.Stop))).Code);
        }
    }

    [Fact]
    public async Task Every_prefix_of_the_stored_accounts_is_refused()
    {
        await AccountFile.SaveAsync(_f.Options.Directory, [new AccountSecret("capclient", "an example")], ClientFixture.Stop);
        var path = Path.Combine(_f.Options.Directory, DeviceKeys.Folder, AccountFile.FileName);
        var whole = await File.ReadAllBytesAsync(path, ClientFixture.Stop);
        for (var length = 0; length < whole.Length; length++)
        {
            await File.WriteAllBytesAsync(path, whole[..length], ClientFixture.Stop);
            Assert.Equal("accounts_damaged", Assert.Throws<ClientException>(() => AccountFile.Load(_f.Options.Directory)).Code);
        }
    }

    /// <summary>In steps that are no divisor of a page. Where the end that is missing was empty, nothing is missing.</summary>
    [Fact]
    public async Task Every_prefix_of_the_database_is_refused_or_has_all()
    {
        var path = ClientDatabase.PathIn(_f.Options.Directory);
        var before = await _f.StatusAsync();
        using (var database = ClientDatabase.Open(_f.Options.Directory))
            database.Checkpoint();
        var whole = await File.ReadAllBytesAsync(path, ClientFixture.Stop);
        for (var length = 0; length < whole.Length; length += 997)
        {
            await File.WriteAllBytesAsync(path, whole[..length], ClientFixture.Stop);
            if (await Record.ExceptionAsync(() => _f.OpenAsync()) is { } refused)
                Assert.Equal(length == 0 ? "not_installed" : "state_damaged", Assert.IsType<ClientException>(refused).Code);
            else
                Assert.Equal((before.DeviceId, before.State, before.SiteCode), await _f.StatusAsync() is var now ? (now.DeviceId, now.State, now.SiteCode) : default);
            await _f.CloseAsync();
            foreach (var companion in Directory.EnumerateFiles(_f.Options.Directory, "client.db-*"))
                File.Delete(companion);
        }
    }

    [Fact]
    public void Every_prefix_of_the_state_of_the_builds_is_a_state_that_the_launcher_reads_too()
    {
        var whole = new BuildState
        {
            Current = "1.2.0-0123456789ab",
            CurrentOrder = 1_795_348_800,
            Previous = "1.1.0-ba9876543210",
            Trial = new BuildTrial("1.3.0-00112233aabb", 1_795_348_900, IsHeld: true),
            Bad = [new BadBuild("1.0.0-ffffffffffff", 1_795_348_000, "it did not get up any more")],
        }.ToString();
        Assert.Equal(whole, BuildState.Parse(whole).ToString());
        for (var length = 0; length < whole.Length; length++)
        {
            var state = BuildState.Parse(whole[..length]);
            // A name that was cut is the name of no folder: the launcher passes it over for the package.
            Assert.StartsWith(state.Current, state.Current == ClientBuild.OfPackage ? ClientBuild.OfPackage : "1.2.0-0123456789ab", StringComparison.Ordinal);
            Assert.True(BuildState.IsId(state.Current));
            Assert.True(state.Trial is null || BuildState.IsId(state.Trial.Id));
        }
    }
}
