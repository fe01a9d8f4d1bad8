using Microsoft.Win32.SafeHandles;

namespace Capstan.Nal.Providers.Local;

/// <summary>One directory below a root, entered without passing through a link. What it does to an entry never follows a link either.</summary>
/// <remarks>Throws the platform's exceptions; <see cref="LocalErrors"/> translates them where the operation is known.</remarks>
internal abstract class LocalFolder : IDisposable
{
    /// <summary>A path to this directory that the file APIs of this process accept; not for people.</summary>
    public abstract string AccessPath { get; }

    public string PathOf(string name) => Path.Combine(AccessPath, name);

    /// <summary>Null when nothing is there.</summary>
    public abstract SafeFileHandle? OpenRead(string name);

    /// <summary>Null when the name is taken.</summary>
    public abstract SafeFileHandle? CreateNew(string name);

    /// <summary>False when nothing is there.</summary>
    public abstract bool Delete(string name, bool isDirectory);

    /// <summary>Makes the names of this directory durable. No effect where directories cannot be synchronised, or may not be read by this account.</summary>
    public abstract void Sync();

    public abstract void Dispose();
}

/// <summary>Enters directories below a root.</summary>
internal abstract class LocalTree(string root)
{
    /// <summary>The directory as people name it.</summary>
    public string Root { get; } = root;

    public static LocalTree For(string root) => LinuxCalls.CanResolveBeneath ? new LinuxTree(root) : new PortableTree(root);

    /// <summary>Null when the directory, or one above it and below the root, is not there.</summary>
    /// <exception cref="NalException">The root is not there (<see cref="NalError.NotFound"/>), or a link is in the way (<see cref="NalError.AccessDenied"/>).</exception>
    public abstract LocalFolder? Enter(StorePath directory);

    /// <summary>Enters a directory and creates what is missing below the root, durably.</summary>
    public abstract LocalFolder EnterOrCreate(StorePath directory);

    /// <summary>The path as people read it in messages.</summary>
    public string Show(StorePath path) => path.IsRoot ? Root : Path.Combine(Root, path.Value.Replace('/', Path.DirectorySeparatorChar));

    protected NalException RootMissing(Exception? cause = null) => new(NalError.NotFound,
        $"the directory {Root} is not there; create it, mount the storage that holds it, or correct the path", Root, isTransient: true, inner: cause);

    public NalException LinkInTheWay(StorePath path) => new(NalError.AccessDenied,
        $"{Show(path)} is, or lies behind, a link; nothing below {Root} may be a link: put the directory itself there (a bind mount will do)", path.Value);
}
