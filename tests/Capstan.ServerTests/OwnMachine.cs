using System.Runtime.CompilerServices;
using Capstan.Nal.Arbiter.Machine;

namespace Capstan.ServerTests;

/// <summary>Gives these tests, and every process that they start, slots and a journal of their own: nothing of theirs counts on the machine that they run on.</summary>
internal static class OwnMachine
{
    [ModuleInitializer]
    internal static void Begin()
    {
        // A worker of a test has been given its machine.
        if (Environment.GetEnvironmentVariable(NalMachine.DirectoryVariable) is not null)
            return;
        var directory = Directory.CreateTempSubdirectory("capstan-nal-").FullName;
        Environment.SetEnvironmentVariable(NalMachine.DirectoryVariable, directory);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(directory, recursive: true);
    }
}
