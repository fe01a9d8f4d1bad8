namespace Capstan.Testing;

/// <summary>Permissions of files that tests make; nothing where the system has none.</summary>
public static class Executable
{
    public static void Set(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, mode);
    }
}
