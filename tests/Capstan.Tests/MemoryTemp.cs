[assembly: AssemblyFixture(typeof(Capstan.Tests.MemoryTemp))]

namespace Capstan.Tests;

/// <summary>
/// Temporary directories of the fast tests lie in memory where the machine has a file system there: what they write is flushed for good at every step, and
/// no test can see whether that reached a disk. The real disk has its part in the conformance tests of the provider and in the server tests.
/// </summary>
public sealed class MemoryTemp : IDisposable
{
    private const string Variable = "TMPDIR";
    private const string FileSystem = "/dev/shm";

    /// <summary>Room for many tests at once; containers give the file system 64 MB by default.</summary>
    private const long LeastBytes = 1L << 30;

    private static readonly string s_disk = Path.GetTempPath();
    private readonly DirectoryInfo? _directory;
    private readonly string? _before = Environment.GetEnvironmentVariable(Variable);

    public MemoryTemp()
    {
        if (!OperatingSystem.IsLinux() || !Directory.Exists(FileSystem) || new DriveInfo(FileSystem).AvailableFreeSpace < LeastBytes)
            return;
        _directory = Directory.CreateDirectory(Path.Combine(FileSystem, $"capstan-tests-{Environment.ProcessId}"));
        Environment.SetEnvironmentVariable(Variable, _directory.FullName);
    }

    /// <summary>A new directory where temporary ones lie without us.</summary>
    public static DirectoryInfo OnDisk(string prefix) => Directory.CreateDirectory(Path.Combine(s_disk, prefix + Path.GetRandomFileName()));

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(Variable, _before);
        _directory?.Delete(recursive: true);
    }
}
