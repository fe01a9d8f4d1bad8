using System.Diagnostics;

namespace Capstan.Tests;

/// <summary>A file system of a few megabytes that a test fills and frees. Only root may mount one: without, the test is skipped.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    private readonly string _directory = System.IO.Directory.CreateTempSubdirectory("capstan-full-").FullName;
    private bool _mounted;

    private SmallDisk()
    {
    }

    /// <summary>A directory on it.</summary>
    public string Directory => Path.Combine(_directory, "home");

    private string Filler => Path.Combine(_directory, "filler");

    public static async Task<SmallDisk> MountAsync(int megabytes)
    {
        var disk = new SmallDisk();
        try
        {
            Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.UserName == "root", "mounting a small file system needs root");
            Assert.SkipUnless(await RunAsync("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", disk._directory) == 0, "this machine allows no mounting");
            disk._mounted = true;
            System.IO.Directory.CreateDirectory(disk.Directory);
            return disk;
        }
        catch
        {
            await disk.DisposeAsync();
            throw;
        }
    }

    /// <summary>Takes all the room that is left.</summary>
    public void Fill()
    {
        using var file = new FileStream(Filler, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        var block = new byte[4096];
        try
        {
            while (true)
                file.Write(block);
        }
        catch (IOException)
        {
            // Full: what was asked for.
        }
    }

    public void Free() => File.Delete(Filler);

    public async ValueTask DisposeAsync()
    {
        // Lazily: should something still hold a file, the name is free all the same.
        if (_mounted)
            await RunAsync("umount", "-l", _directory);
        System.IO.Directory.Delete(_directory, recursive: true);
    }

    private static async Task<int> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardError = true }) ?? throw new InvalidOperationException(program);
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}
