using System.Diagnostics;
using Capstan.Client.Content;
using Capstan.Testing;

namespace Capstan.Tests.Client.Content;

/// <summary>A program made a chroot in its own directory and left it: what is mounted there is the machine's own.</summary>
public sealed class MountedContentTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("capstan-mounted-");

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public async Task What_is_mounted_in_content_is_neither_removed_nor_changed()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root mounts");
        if (!OperatingSystem.IsLinux())
            return;
        var home = _root.CreateSubdirectory("home");
        await File.WriteAllTextAsync(Path.Combine(home.FullName, "letter"), "dear", TestContext.Current.CancellationToken);
        File.SetUnixFileMode(home.FullName, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var mounted = _root.CreateSubdirectory("content/chroot/home");
        if (!await RunAsync("mount", "--bind", home.FullName, mounted.FullName))
            Assert.Skip("nothing can be mounted here");
        try
        {
            using var folder = VersionFolder.Open(Path.Combine(_root.FullName, "content"));
            Assert.Contains($"umount {mounted.FullName}", Assert.Throws<IOException>(() => folder.Remove("chroot")).Message, StringComparison.Ordinal);
            Assert.Throws<IOException>(folder.MakeWritable);
            Assert.Equal("dear", await File.ReadAllTextAsync(Path.Combine(home.FullName, "letter"), TestContext.Current.CancellationToken));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserExecute, File.GetUnixFileMode(home.FullName));
        }
        finally
        {
            Assert.True(await RunAsync("umount", mounted.FullName));
        }
        using var free = VersionFolder.Open(Path.Combine(_root.FullName, "content"));
        free.Remove("chroot");
        Assert.False(Directory.Exists(Path.Combine(_root.FullName, "content/chroot")));
    }

    private static async Task<bool> RunAsync(string tool, params IReadOnlyList<string> words)
    {
        using var process = Process.Start(new ProcessStartInfo(tool, words) { UseShellExecute = false, RedirectStandardError = true })!;
        _ = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken).Soon();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).Soon();
        return process.ExitCode == 0;
    }
}
