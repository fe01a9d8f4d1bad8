using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Nal.Providers.Local;

/// <summary>
/// Resolution by looking at each component first. Between the look and the use somebody who may write in the tree can put a link in a
/// directory's place: on systems without openat2 such writers must be trusted as much as the account that Capstan runs under.
/// </summary>
internal sealed partial class PortableTree(string root) : LocalTree(root)
{
    public override LocalFolder? Enter(StorePath directory)
    {
        if (!Directory.Exists(Root))
            throw RootMissing();
        RefuseLinks(directory);
        return Directory.Exists(Show(directory)) ? new PortableFolder(this, directory) : null;
    }

    public override LocalFolder EnterOrCreate(StorePath directory)
    {
        if (Enter(directory) is { } there)
            return there;
        using var parent = (PortableFolder)EnterOrCreate(directory.Parent);
        Directory.CreateDirectory(Show(directory));
        parent.Sync();
        return Enter(directory) ?? throw new DirectoryNotFoundException($"{Show(directory)} vanished while it was made");
    }

    private void RefuseLinks(StorePath path)
    {
        for (var at = path; !at.IsRoot; at = at.Parent)
        {
            if (new FileInfo(Show(at)).LinkTarget is not null)
                throw LinkInTheWay(at);
        }
    }

    private sealed partial class PortableFolder(PortableTree tree, StorePath directory) : LocalFolder
    {
        public override string AccessPath { get; } = tree.Show(directory);

        public override SafeFileHandle? OpenRead(string name)
        {
            tree.RefuseLinks(directory.Combine(name));
            if (Directory.Exists(PathOf(name)))
                throw LocalErrors.Of(LocalErrors.IsDirectory, PathOf(name));
            try
            {
                return File.OpenHandle(PathOf(name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            }
            catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
            {
                return null;
            }
        }

        public override SafeFileHandle? CreateNew(string name)
        {
            try
            {
                return File.OpenHandle(PathOf(name), FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
            }
            catch (IOException) when (Path.Exists(PathOf(name)))
            {
                return null;
            }
        }

        public override bool Delete(string name, bool isDirectory)
        {
            tree.RefuseLinks(directory.Combine(name));
            if (!Path.Exists(PathOf(name)))
                return false;
            if (isDirectory)
                Directory.Delete(PathOf(name), recursive: false);
            else
                File.Delete(PathOf(name));
            return true;
        }

        public override void Sync()
        {
            // Windows writes names through its own log; there is no call to make.
            if (OperatingSystem.IsWindows())
                return;
            var descriptor = Open(AccessPath, 0);
            if (descriptor < 0)
                return;
            using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
            RandomAccess.FlushToDisk(handle);
        }

        public override void Dispose() { }

        [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        private static partial int Open(string path, int flags);
    }
}
