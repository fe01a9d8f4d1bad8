using Capstan.Client;
using Capstan.Client.Identity;

namespace Capstan.Tests.Client.Identity;

/// <summary>Keys that take others' place: whatever a crash leaves, the state decides whose they are.</summary>
public sealed class NewIdentityTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("capstan-identity-").FullName;

    private string Next => Path.Combine(_directory, NewIdentity.Folder);

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_state_decides_whose_keys_they_are(bool decided)
    {
        var (before, next) = await PreparedAsync();
        NewIdentity.Finish(_directory, decided ? next : before);
        Assert.Equal(decided ? next : before, Id());
        Assert.False(Directory.Exists(Next));
        // Done, or never begun: nothing more happens.
        NewIdentity.Finish(_directory, Id());
        Assert.Equal(decided ? next : before, Id());
    }

    [Fact]
    public async Task A_crash_between_the_two_keys_is_finished()
    {
        var (_, next) = await PreparedAsync();
        File.Move(Path.Combine(Next, DeviceKeys.Folder, DeviceKeys.SealingFile), Path.Combine(_directory, DeviceKeys.Folder, DeviceKeys.SealingFile), overwrite: true);
        NewIdentity.Finish(_directory, next);
        Assert.Equal(next, Id());
        Assert.False(Directory.Exists(Next));
    }

    [Fact]
    public async Task A_crash_after_both_keys_were_moved_leaves_nothing_but_a_folder()
    {
        var (_, next) = await PreparedAsync();
        foreach (var file in new[] { DeviceKeys.SealingFile, DeviceKeys.SigningFile })
            File.Move(Path.Combine(Next, DeviceKeys.Folder, file), Path.Combine(_directory, DeviceKeys.Folder, file), overwrite: true);
        NewIdentity.Finish(_directory, next);
        Assert.Equal(next, Id());
        Assert.False(Directory.Exists(Next));
    }

    [Theory]
    [InlineData("")]
    [InlineData("-----BEGIN PRIVATE KEY-----\nMIG")]
    public async Task A_key_that_was_written_in_part_is_nobodys(string content)
    {
        var (before, _) = await PreparedAsync();
        await File.WriteAllTextAsync(Path.Combine(Next, DeviceKeys.Folder, DeviceKeys.SigningFile), content, ClientFixture.Stop);
        NewIdentity.Finish(_directory, before);
        Assert.Equal(before, Id());
        Assert.False(Directory.Exists(Next));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_crash_before_the_first_key_or_after_the_last_file_leaves_folders_alone_and_they_go(bool withKeysFolder)
    {
        await DeviceKeys.EnsureAsync(_directory, ClientFixture.Stop);
        Directory.CreateDirectory(withKeysFolder ? Path.Combine(Next, DeviceKeys.Folder) : Next);
        var id = Id();
        NewIdentity.Finish(_directory, id);
        Assert.Equal((id, false), (Id(), Directory.Exists(Next)));
    }

    [Theory]
    [InlineData("-----BEGIN PRIVATE KEY-----\nMIG")]
    [InlineData(null)]
    public async Task A_key_that_cannot_be_read_is_not_taken_for_a_foreign_one(string? content)
    {
        var (_, next) = await PreparedAsync();
        var signing = Path.Combine(Next, DeviceKeys.Folder, DeviceKeys.SigningFile);
        if (content is null)
            File.Delete(signing);
        else
            await File.WriteAllTextAsync(signing, content, ClientFixture.Stop);
        var before = Files();

        var refusal = Assert.Throws<ClientException>(() => NewIdentity.Finish(_directory, next));

        Assert.Equal("keys_damaged", refusal.Code);
        Assert.Contains(signing, refusal.Message, StringComparison.Ordinal);
        Assert.Equal(before, Files());
    }

    [Fact]
    public async Task Keys_and_the_folders_that_hold_them_are_durable_before_anything_names_them()
    {
        var flushed = new List<string>();
        using (DurableFile.Observe(flushed.Add))
            await DeviceKeys.EnsureAsync(Next, ClientFixture.Stop);
        Assert.Contains(_directory, flushed);
        Assert.Contains(Next, flushed);
        Assert.Equal(Path.Combine(Next, DeviceKeys.Folder), flushed[^1]);
    }

    private Dictionary<string, string> Files() => Directory.GetFiles(_directory, "*", SearchOption.AllDirectories).ToDictionary(file => file, File.ReadAllText);

    private async Task<(string Before, string Next)> PreparedAsync()
    {
        await DeviceKeys.EnsureAsync(_directory, ClientFixture.Stop);
        Directory.CreateDirectory(Next);
        await DeviceKeys.EnsureAsync(Next, ClientFixture.Stop);
        using var next = DeviceKeys.Load(Next);
        return (Id(), next.Id.Value);
    }

    private string Id()
    {
        using var keys = DeviceKeys.Load(_directory);
        return keys.Id.Value;
    }
}
