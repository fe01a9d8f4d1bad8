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
    public void Given_back_it_can_be_taken_again()
    {
        DirectoryLock.TryTake(_directory, out _)?.Dispose();
        using var again = DirectoryLock.TryTake(_directory, out _);
        Assert.NotNull(again);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);
}
