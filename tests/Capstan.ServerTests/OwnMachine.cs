using System.Runtime.CompilerServices;
using Capstan.Nal.Arbiter.Machine;

namespace Capstan.ServerTests;

/// <summary>Gives these tests, and every process that they start, slots and a journal of their own: nothing of theirs counts on the machine that they run on.</summary>
internal static class OwnMachine
{
    public static string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("capstan-nal-").FullName;

    [ModuleInitializer]
    internal static void Begin()
    {
        Environment.SetEnvironmentVariable(NalMachine.DirectoryVariable, Directory);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => System.IO.Directory.Delete(Directory, recursive: true);
    }
}
