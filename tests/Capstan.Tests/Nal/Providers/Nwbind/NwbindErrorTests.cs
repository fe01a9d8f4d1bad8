using System.Globalization;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Nal.Providers.Nwbind;

public sealed class NwbindErrorTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Theory]
    [InlineData(0xD9)]
    [InlineData(0xF9)]
    public async Task A_login_refused_for_licences_is_a_full_server_and_keeps_no_connection(byte code)
    {
        await using var world = new NwbindWorld(rules => (rules.Licences, rules.LicenceCode) = (1, code));
        var first = await NwbindWorld.ConnectAsync(world.Path);
        var full = await Assert.ThrowsAsync<NalException>(() => NwbindWorld.ConnectAsync(world.Path));
        Assert.Equal((NalError.ServerFull, true, (uint?)code), (full.Error, full.IsTransient, full.Code));
        Assert.Single(world.Server.Held);
        Assert.True(await first.CloseAsync(None));
    }

    [Fact]
    public async Task No_free_connection_is_a_full_server()
    {
        await using var world = new NwbindWorld(rules => rules.MaxConnections = 0);
        var full = await Assert.ThrowsAsync<NalException>(() => NwbindWorld.ConnectAsync(world.Path));
        Assert.Equal((NalError.ServerFull, (uint?)0xF9), (full.Error, full.Code));
        Assert.Contains("is full (NCP F9 (no free connection)", full.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("capa", "wrong", "wrong password")]
    [InlineData("nobody", "x", "not in the bindery")]
    public async Task A_refused_account_is_told_with_its_cause(string name, string password, string cause)
    {
        await using var world = new NwbindWorld();
        var refused = await Assert.ThrowsAsync<NalException>(() => NwbindWorld.ConnectAsync(world.Path, new ConnectionAccount(name, new Secret(password))));
        Assert.Equal((NalError.Authenticate, false), (refused.Error, refused.IsTransient));
        Assert.Contains(cause, refused.Message, StringComparison.Ordinal);
        Assert.Empty(world.Server.Held);
    }

    [Theory]
    [InlineData("VOL/NOWHERE", NalError.NotFound, "is not there; create it")]
    [InlineData("SYS/CAP", NalError.NotFound, "not mounted")]
    [InlineData("", NalError.Resolve, "names a server and no volume")]
    public async Task A_path_that_is_not_there_says_what_is_missing(string path, NalError error, string words)
    {
        await using var world = new NwbindWorld();
        var connection = await NwbindWorld.ConnectAsync(world.Path);
        var at = NalPath.Parse(string.Create(CultureInfo.InvariantCulture, $"ncp://127.0.0.1:{world.Server.Port}/{path}"));
        var missing = await Assert.ThrowsAsync<NalException>(async () => await connection.OpenAsync(at, None));
        Assert.Equal(error, missing.Error);
        Assert.Contains(words, missing.Message, StringComparison.Ordinal);
        Assert.True(await connection.CloseAsync(None));
    }

    [Fact]
    public async Task A_full_volume_a_missing_right_a_long_name_and_a_dismount_each_have_their_cause()
    {
        await using var world = new NwbindWorld();
        var connection = await NwbindWorld.ConnectAsync(world.Path);
        var store = await connection.OpenAsync(world.Path, None);
        async Task<NalException> FailureAsync() => await Assert.ThrowsAsync<NalException>(async () => await store.ReplaceAsync(StorePath.Parse("pointer"), "x"u8.ToArray(), None));

        world.Volume.IsFull = true;
        Assert.Equal((NalError.StorageFull, true), (await FailureAsync() is var full ? full.Error : default, full.IsTransient));
        world.Volume.IsFull = false;
        world.Volume.Allows = (_, _, right) => right != Testing.Ncp.NcpRight.Create;
        Assert.Equal(NalError.AccessDenied, (await FailureAsync()).Error);
        world.Volume.Allows = null;
        Assert.Equal(NalError.Conflict, (await Assert.ThrowsAsync<NalException>(async () => await store.StatAsync(StorePath.Parse("水"), None))).Error);
        world.Volume.IsMounted = false;
        var gone = await FailureAsync();
        Assert.True(gone.IsTransient);
        Assert.Contains("dismounted", gone.Message, StringComparison.Ordinal);
        world.Volume.IsMounted = true;
        await store.ReplaceAsync(StorePath.Parse("pointer"), "x"u8.ToArray(), None);
        Assert.True(await connection.CloseAsync(None));
    }

    /// <summary>What the recipe of <c>cap add</c> gives to clients in the inbox.</summary>
    [Fact]
    public async Task Who_may_only_create_uploads_and_hears_when_a_name_is_taken()
    {
        await using var world = new NwbindWorld();
        Directory.CreateDirectory(Path.Combine(world.Volume.Directory, "CAP_ABC", "inbox"));
        world.Volume.Allows = (_, path, right) => right == (path.StartsWith("CAP_ABC/inbox", StringComparison.Ordinal) ? Testing.Ncp.NcpRight.Create : Testing.Ncp.NcpRight.Scan);
        var connection = await NwbindWorld.ConnectAsync(world.Path);
        var store = await connection.OpenAsync(world.Path, None);
        var upload = StorePath.Parse("inbox/upload");
        Assert.True(await store.CreateAsync(upload, new MemoryStream(new byte[100]), None));
        Assert.False(await store.CreateAsync(upload, new MemoryStream(new byte[100]), None));
        Assert.Equal(NalError.AccessDenied, (await Assert.ThrowsAsync<NalException>(async () => await store.DeleteAsync(upload, None))).Error);
        Assert.Equal(NalError.AccessDenied, (await Assert.ThrowsAsync<NalException>(async () => await store.ReadAllAsync(upload, 100, None))).Error);
        Assert.True(await connection.CloseAsync(None));
    }

    [Fact]
    public async Task Times_are_utc_whatever_zone_the_server_does_not_tell()
    {
        await using var world = new NwbindWorld(rules => rules.Zone = TimeSpan.FromHours(5.75));
        var connection = await NwbindWorld.ConnectAsync(world.Path);
        var store = await connection.OpenAsync(world.Path, None);
        await store.ReplaceAsync(StorePath.Parse("pointer"), "x"u8.ToArray(), None);
        var entry = (await store.StatAsync(StorePath.Parse("pointer"), None))!;
        Assert.InRange((TimeProvider.System.GetUtcNow() - entry.LastWrite).Duration(), TimeSpan.Zero, TimeSpan.FromMinutes(1));
        Assert.True(await connection.CloseAsync(None));
    }

    [Fact]
    public async Task A_connection_that_an_operator_cleared_is_broken_and_nothing_is_read_as_absent()
    {
        await using var world = new NwbindWorld();
        var connection = await NwbindWorld.ConnectAsync(world.Path);
        var store = await connection.OpenAsync(world.Path, None);
        world.Server.Clear(1);
        var broken = await Assert.ThrowsAsync<NalException>(async () => await store.ReadAllAsync(StorePath.Parse("metadata"), 10, None));
        Assert.True(broken.IsTransient);
        Assert.Contains("is over", (await connection.Broken.Soon()).Message, StringComparison.Ordinal);
        await connection.CloseAsync(None);
    }

    [Fact]
    public async Task A_path_of_directory_services_is_answered_precisely()
    {
        await using var arbiter = new ConnectionArbiter(StorageProviders.All(TimeProvider.System), new ArbiterOptions(), TimeProvider.System, new Random(1), NullLoggerFactory.Instance);
        var path = NalPath.Parse(@"[""Display=\\TREE\.VOL.OU.ORG""]NWNDS:[""SMS_SITE=GS1""]\\TREE\.VOL.OU.ORG\CAP_GS1\");
        var refused = await Assert.ThrowsAsync<NalException>(async () => await arbiter.AcquireAsync(path, new LeasePurpose("nal"), None));
        Assert.Equal(NalError.Resolve, refused.Error);
        Assert.Contains("directory-services login is not implemented", refused.Message, StringComparison.Ordinal);
    }
}
