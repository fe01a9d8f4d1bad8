using Capstan.Client.Inventory;
using Capstan.Client.Programs.Gate;

namespace Capstan.Client.Programs;

/// <summary>What programs need of the machine; tests put their own here.</summary>
/// <param name="Users">Names of those who are logged on now.</param>
/// <param name="FreeBytes">Free bytes of the disk of a directory.</param>
/// <param name="Restart">Starts the machine anew; one line with the cause when that fails.</param>
internal sealed record ProgramMachine(GateStarter Gates, ProcessTable Processes, long MemoryBytes, Func<IReadOnlyList<string>> Users, Func<string, long> FreeBytes, Func<CancellationToken, Task<string?>> Restart)
{
    public string Platform { get; init; } = ClientParts.Platform;

    /// <summary>Of those who are logged on; null where nobody can be told.</summary>
    public UserTerminals? Terminals { get; init; }

    /// <summary>Of the processes, which live in it.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Between two looks at a run that nothing woke.</summary>
    public TimeSpan Check { get; init; } = RunWatch.Check;

    /// <summary>Null where programs cannot be run: on a system without <c>/proc</c>.</summary>
    public static ProgramMachine? OfThisMachine()
    {
        if (!OperatingSystem.IsLinux())
            return null;
        var architecture = System.Runtime.InteropServices.RuntimeInformation.OSArchitecture == System.Runtime.InteropServices.Architecture.Arm64 ? "aarch64" : "x86_64";
        IReadOnlyList<Protocol.V1.LoggedOnUser> Sessions() => UserReader.Read(new EvidenceTree("/"), architecture);
        return new ProgramMachine(GateStarter.OfThisMachine(), ProcessTable.OfThisMachine, MemoryReader.Read(new EvidenceTree("/"), []).TotalBytes,
            () => [.. Sessions().Select(user => user.Name).Distinct(StringComparer.Ordinal)],
            directory => new DriveInfo(directory).AvailableFreeSpace, MachineRestart.RunAsync)
        {
            Terminals = new UserTerminals(Sessions, TimeProvider.System),
        };
    }
}
