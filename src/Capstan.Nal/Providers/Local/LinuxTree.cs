using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Nal.Providers.Local;

/// <summary>Resolution by the kernel (openat2, beneath and without links): no check that a racing rename could outrun.</summary>
internal sealed class LinuxTree(string root) : LocalTree(root)
{
    public override LocalFolder? Enter(StorePath directory)
    {
        using var top = OpenRoot();
        return Open(top, directory, out var error) ?? (error is LocalErrors.NoEntry or LocalErrors.NotDirectory ? null : throw Failed(directory, error));
    }

    public override LocalFolder EnterOrCreate(StorePath directory)
    {
        using var top = OpenRoot();
        if (Open(top, directory, out var error) is { } there)
            return there;
        if (error != LocalErrors.NoEntry)
            throw Failed(directory, error);
        using var parent = (LinuxFolder)EnterOrCreate(directory.Parent);
        var made = LinuxCalls.MakeDirectory(parent.Handle, directory.Name);
        if (made is not (0 or LocalErrors.Exists))
            throw LocalErrors.Of(made, Show(directory));
        parent.Sync();
        return Open(top, directory, out error) ?? throw Failed(directory, error);
    }

    private SafeFileHandle OpenRoot() =>
        LinuxCalls.OpenRoot(Root, out var error)
        ?? throw (error is LocalErrors.NoEntry or LocalErrors.NotDirectory ? RootMissing() : LocalErrors.Of(error, Root));

    private LinuxFolder? Open(SafeFileHandle top, StorePath directory, out int error)
    {
        var handle = LinuxCalls.OpenBeneath(top, directory.IsRoot ? "." : directory.Value, LinuxCalls.PathOnly | LinuxCalls.DirectoryOnly, out error);
        return handle is null ? null : new LinuxFolder(this, directory, handle);
    }

    private Exception Failed(StorePath path, int error) => error == LocalErrors.Loop ? LinkInTheWay(path) : LocalErrors.Of(error, Show(path));

    private sealed class LinuxFolder(LinuxTree tree, StorePath directory, SafeFileHandle handle) : LocalFolder
    {
        public SafeFileHandle Handle => handle;

        public override string AccessPath { get; } = string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{handle.DangerousGetHandle()}");

        public override SafeFileHandle? OpenRead(string name) =>
            LinuxCalls.OpenBeneath(handle, name, LinuxCalls.ReadOnly | LinuxCalls.NonBlocking, out var error)
            ?? (error == LocalErrors.NoEntry ? null : throw tree.Failed(directory.Combine(name), error));

        public override SafeFileHandle? CreateNew(string name) =>
            LinuxCalls.OpenBeneath(handle, name, LinuxCalls.WriteNew, out var error)
            ?? (error == LocalErrors.Exists ? null : throw tree.Failed(directory.Combine(name), error));

        public override bool Delete(string name, bool isDirectory)
        {
            var error = LinuxCalls.Unlink(handle, name, isDirectory);
            return error switch
            {
                0 => true,
                LocalErrors.NoEntry => false,
                _ => throw LocalErrors.Of(error, tree.Show(directory.Combine(name))),
            };
        }

        public override void Sync()
        {
            using var readable = LinuxCalls.OpenBeneath(handle, ".", LinuxCalls.ReadOnly | LinuxCalls.DirectoryOnly, out var error);
            if (readable is not null)
                RandomAccess.FlushToDisk(readable);
            else if (error != LocalErrors.AccessDenied)
                throw LocalErrors.Of(error, tree.Show(directory));
        }

        public override void Dispose() => handle.Dispose();
    }
}
