using System.Runtime.Versioning;
using Capstan.Nal;

namespace Capstan.Tests.Nal;

public sealed class DirectoryLockTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("capstan-lock-").FullName;

    [Fact]
    public void The_second_is_told_who_holds_the_directory()
    {
        using var first = DirectoryLock.TryTake(_directory, out var nobody);
        Assert.NotNull(first);
        Assert.Empty(nobody);
        Assert.Null(DirectoryLock.TryTake(_directory, out var holder));
        Assert.Equal(OperatingSystem.IsWindows() ? "another process" : $"process {Environment.ProcessId}", holder);
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public void Nobody_else_may_open_it_and_so_keep_its_owner_out()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "modes are those of Unix");
        const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var path = Path.Combine(_directory, "lock");
        DirectoryLock.TryTake(_directory, out _)?.Dispose();
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(path));

        // As an earlier version made it.
        File.SetUnixFileMode(path, OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        DirectoryLock.TryTake(_directory, out _)?.Dispose();
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(path));
    }

    [Fact]
    public void Given_back_it_can_be_taken_again()
    {
        DirectoryLock.TryTake(_directory, out _)?.Dispose();
        using var again = DirectoryLock.TryTake(_directory, out _);
        Assert.NotNull(again);
    }

    [Fact]
    public async Task Whoever_only_looks_sees_no_other_who_looks_and_keeps_nobody_from_taking_it()
    {
        Assert.False(DirectoryLock.IsTaken(_directory));
        DirectoryLock.TryTake(_directory, out _)?.Dispose();
        Task<DirectoryLock?> taking;
        using (File.Open(Path.Combine(_directory, "lock"), FileMode.Open, FileAccess.Read, FileShare.Read))
        {
            Assert.False(DirectoryLock.IsTaken(_directory));
            taking = Task.Run(() => DirectoryLock.TryTake(_directory, out _));
        }
        using var taken = await taking;
        Assert.NotNull(taken);
        Assert.True(DirectoryLock.IsTaken(_directory));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);
}
