using System.Globalization;

namespace Capstan.Nal;

/// <summary>The right of one process to work in a directory. The kernel frees it when the process dies: no stale locks.</summary>
/// <remarks>The lock is on the file <c>lock</c>, which is never deleted; its text (process id) is for display only.</remarks>
public sealed class DirectoryLock : IDisposable
{
    private readonly FileStream _file;

    private DirectoryLock(FileStream file) => _file = file;

    /// <summary>Takes the lock, or says who has it.</summary>
    /// <param name="holder">For a message: <c>process 4711</c>, or <c>another process</c> when it does not say.</param>
    /// <exception cref="IOException">The file cannot be made or opened for another reason than a lock.</exception>
    public static DirectoryLock? TryTake(string directory, out string holder)
    {
        holder = "";
        var path = System.IO.Path.Combine(directory, "lock");
        FileStream file;
        try
        {
            // FileShare.None is an flock on Unix and a share mode on Windows; both end with the process.
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(path))
        {
            holder = HolderOf(path);
            return null;
        }
        file.SetLength(0);
        file.Write(System.Text.Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
        file.Flush();
        return new DirectoryLock(file);
    }

    public void Dispose() => _file.Dispose();

    private static string HolderOf(string path)
    {
        try
        {
            using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            return reader.ReadToEnd() is { Length: > 0 } pid ? $"process {pid}" : "another process";
        }
        catch (IOException)
        {
            return "another process";
        }
    }
}
