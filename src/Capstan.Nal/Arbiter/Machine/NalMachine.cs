using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Capstan.Nal.Arbiter.Machine;

/// <summary>Where the processes of one machine share slots and journal. A machine is whoever uses the same directories: a container with its own is one of its own.</summary>
/// <remarks>Made without touching a disk; the directories are made and tested when the first server is used that counts connections. Thread-safe.</remarks>
public sealed partial class NalMachine
{
    /// <summary>Names the directory for slots and journal, in place of the machine's own.</summary>
    public const string DirectoryVariable = "CAPSTAN_NAL_DIR";

    private readonly Lock _gate = new();
    private bool _isTested;

    private NalMachine(string slots, string journal, string scope)
    {
        Slots = slots;
        Journal = journal;
        Scope = scope;
    }

    /// <summary>Locks of slots and owners; need not outlast a restart.</summary>
    public string Slots { get; }

    /// <summary>Records of connections and stopped accounts; outlasts a restart.</summary>
    public string Journal { get; }

    /// <summary>Whose budget it is, for people: <c>this machine</c>, or why it is less.</summary>
    public string Scope { get; }

    /// <summary>The machine's directories for a privileged process, the user's for any other; <see cref="DirectoryVariable"/> goes before both. Null where the
    /// system is not Linux: the budget is then this process's only.</summary>
    /// <param name="directory">From a command line; null for none.</param>
    public static NalMachine? Of(string? directory)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        directory ??= Environment.GetEnvironmentVariable(DirectoryVariable);
        if (!string.IsNullOrEmpty(directory))
            return At(directory);
        if (Environment.IsPrivilegedProcess)
            return new NalMachine("/run/capstan/slots", "/var/lib/capstan-nal", "this machine");
        var runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        var home = string.IsNullOrEmpty(runtime)
            ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "capstan-nal")
            : Path.Combine(runtime, "capstan");
        return new NalMachine(Path.Combine(home, "slots"), Path.Combine(home, "journal"),
            $"this user only, because {Environment.UserName} has no rights in the machine's own directories");
    }

    /// <summary>A machine of its own, in one directory.</summary>
    public static NalMachine At(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        var full = Path.GetFullPath(directory);
        return new NalMachine(Path.Combine(full, "slots"), Path.Combine(full, "journal"), $"those who use {full}");
    }

    /// <summary>Makes the directories, for their owner only, and proves once that locks hold there.</summary>
    /// <exception cref="NalException"><see cref="NalError.WriteLocal"/>: they cannot be used, with the cause.</exception>
    internal void Prepare()
    {
        lock (_gate)
        {
            if (_isTested && Directory.Exists(Slots) && Directory.Exists(Journal))
                return;
            try
            {
                Make(Slots);
                Make(Journal);
                LockTest.Run(Slots);
                LockTest.Run(Journal);
                _isTested = true;
            }
            catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
            {
                throw new NalException(NalError.WriteLocal, string.Create(CultureInfo.InvariantCulture,
                    $"connections cannot be counted on this machine, so none is opened: {cause.Message}; slots are kept in {Slots}, the journal in {Journal}: "
                    + $"make them usable, or name a directory on a local disk with --nal-dir or {DirectoryVariable}"), Slots, Completion.NotSent, inner: cause);
            }
        }
    }

    [SuppressMessage("Interoperability", "CA1416:Validate platform compatibility", Justification = "Of and At give a machine on Linux only.")]
    internal static void Make(string directory) =>
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
}
