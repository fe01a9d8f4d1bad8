using Capstan.Ncp;
using Capstan.Ncp.Files;
using Capstan.Testing;

namespace Capstan.Tests.Ncp;

public sealed class VolumeTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Theory]
    [InlineData(512)]
    [InlineData(4096)]
    [InlineData(65_024)]
    public async Task Content_survives_at_every_buffer_and_offset(int buffer)
    {
        await using var world = new NcpWorld(rules => rules.BufferBytes = buffer);
        var (connection, _) = await world.LogInAsync();
        var volume = await NcpWorld.OpenAsync(connection);
        var content = new byte[70_001];
        new Random(3).NextBytes(content);
        var file = await volume.CreateAsync("file", None);
        await file.WriteAsync(0, content, None);
        await file.FlushAsync(None);
        await file.CloseAsync(None);
        var reading = await volume.OpenAsync("FILE", None);
        foreach (var offset in (int[])[0, 1, buffer - 1, buffer, buffer + 1, 70_000, 70_001, 99_999])
        {
            var read = new byte[20_000];
            var count = await reading.ReadAsync(offset, read, None);
            Assert.Equal(content.Skip(offset).Take(20_000), read.Take(count));
        }
        await reading.CloseAsync(None);
        Assert.True(await connection.CloseAsync(None));
    }

    [Fact]
    public async Task A_volume_without_long_names_holds_eight_characters_and_three()
    {
        await using var world = new NcpWorld();
        world.Volume.HasLongNames = false;
        var (connection, _) = await world.LogInAsync();
        var volume = await NcpWorld.OpenAsync(connection);
        Assert.False(volume.HasLongNames);
        await volume.CreateDirectoryAsync("clidata.box", None);
        await (await volume.CreateAsync("clidata.box/caplist.ini", None)).CloseAsync(None);
        Assert.Equal(["CAPLIST.INI"], (await volume.ListAsync("Clidata.box", None).ToListAsync(None)).Select(entry => entry.Name));
        var refused = await Assert.ThrowsAsync<NcpException>(() => volume.CreateAsync("clidata.box/longer-than-eight", None));
        Assert.Equal((NcpFailure.Unsupported, NcpCompletion.NotSent), (refused.Failure, refused.Completion));
        Assert.Contains("ADD NAME SPACE LONG", refused.Message, StringComparison.Ordinal);
        Assert.True(await connection.CloseAsync(None));
    }

    [Fact]
    public async Task A_name_that_the_servers_characters_do_not_hold_is_refused_here()
    {
        await using var world = new NcpWorld();
        var (connection, _) = await world.LogInAsync();
        var volume = await NcpWorld.OpenAsync(connection);
        Assert.Contains("'水'", (await Assert.ThrowsAsync<NcpException>(() => volume.StatAsync("水", None))).Message, StringComparison.Ordinal);
        Assert.True(await connection.CloseAsync(None));
    }

    [Fact]
    public async Task A_volume_that_is_dismounted_while_in_use_says_so()
    {
        await using var world = new NcpWorld();
        var (connection, _) = await world.LogInAsync();
        var volume = await NcpWorld.OpenAsync(connection);
        var file = await volume.CreateAsync("file", None);
        world.Volume.IsMounted = false;
        Assert.Equal(NcpCode.InvalidHandle, (await Assert.ThrowsAsync<NcpException>(() => file.WriteAsync(0, new byte[1], None))).Code);
        Assert.Equal(NcpCode.NoSuchVolume, (await Assert.ThrowsAsync<NcpException>(() => volume.StatAsync("file", None))).Code);
        Assert.True(await connection.CloseAsync(None));
    }

    [Fact]
    public async Task A_creation_whose_caller_is_gone_is_undone()
    {
        var hold = new TaskCompletionSource();
        await using var world = new NcpWorld(rules => rules.Hold = function => function == 0x57 && rules.IsArmed ? hold : null);
        var (connection, bindery) = await world.LogInAsync();
        var volume = await NcpWorld.OpenAsync(connection);
        using var gone = new CancellationTokenSource();
        world.Server.Rules.IsArmed = true;
        var creating = volume.CreateAsync("file", gone.Token);
        await Patience.UntilAsync(() => world.Server.IsHolding);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => creating);
        world.Server.Rules.IsArmed = false;
        hold.SetResult();
        await Patience.UntilAsync(() => world.Server.Seen.Any(seen => seen is { Function: 0x57, Subfunction: 8 }));
        Assert.Null(await volume.StatAsync("file", None));
        Assert.Equal(0, world.Server.Held[0].OpenFiles);
        Assert.True(await connection.CloseAsync(None));
    }

    [Fact]
    public async Task A_file_of_four_gigabytes_is_refused_before_it_is_sent()
    {
        await using var world = new NcpWorld();
        var (connection, _) = await world.LogInAsync();
        var file = await (await NcpWorld.OpenAsync(connection)).CreateAsync("file", None);
        Assert.Equal(NcpFailure.Unsupported, (await Assert.ThrowsAsync<NcpException>(() => file.WriteAsync(NcpFile.MostBytes, new byte[1], None))).Failure);
        Assert.True(await connection.CloseAsync(None));
    }
}
