using Capstan.Client.Programs.Gate;
using Capstan.Protocol.V1;

namespace Capstan.Client.Programs;

/// <summary>Makes of a program's rules what a gate starts: absolute paths, a whole environment, nothing looked up. Pure.</summary>
internal static class CommandLine
{
    /// <summary>Where programs of the system are looked up by a program that does; its own first word never is.</summary>
    public const string SearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    private const string Dpkg = "/usr/bin/dpkg", Rpm = "/usr/bin/rpm";

    /// <param name="directory">The verified content; null for what needs none.</param>
    public static RunOrder Of(ProgramStep.Run step, string? directory)
    {
        var rules = step.Offer.Program;
        var (command, native) = step.IsRemoval ? (rules.Removal!.Command, rules.Removal.Native) : (rules.Command, rules.Native);
        var (executable, arguments) = native is not null ? Native(native, directory) : (Inside(directory!, command![0]), command.Skip(1).ToList());
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["PATH"] = SearchPath,
            ["LANG"] = "C.UTF-8",
            ["CAPSTAN_ADVERTISEMENT"] = step.For.Document.AdvertisementId,
            ["CAPSTAN_PROGRAM"] = rules.Name,
        };
        if (directory is not null)
            environment["CAPSTAN_CONTENT"] = directory;
        if (step.User is null)
            environment["HOME"] = "/root";
        if (native is { Format: NativePackage.Deb })
            environment["DEBIAN_FRONTEND"] = "noninteractive";
        foreach (var variable in rules.Environment ?? [])
            environment[variable.Name] = variable.Value;
        return new RunOrder
        {
            Executable = executable,
            Arguments = arguments,
            WorkingDirectory = directory is null ? "/" : rules.WorkingDirectory is { } inside ? Inside(directory, inside) : directory,
            Content = directory,
            Environment = environment,
            User = step.User,
            TimeLimitSeconds = rules.TimeLimitSeconds,
            WaitsForChildren = rules.WaitsForChildren,
        };
    }

    /// <summary>Whether a program's own files are needed to run it.</summary>
    public static bool NeedsContent(ProgramStep.Run step) => step.IsRemoval ? step.Offer.Program.Removal!.Command is not null : step.Offer.Program.Native is not { Action: NativePackage.Remove };

    private static (string Executable, List<string> Arguments) Native(NativePackage native, string? directory) => (native.Format, native.Action) switch
    {
        (NativePackage.Deb, NativePackage.Install) => (Dpkg, [.. native.Options ?? [], "--force-confold", "--install", Inside(directory!, native.File!)]),
        (NativePackage.Deb, _) => (Dpkg, [.. native.Options ?? [], "--remove", native.Package]),
        (_, NativePackage.Install) => (Rpm, [.. native.Options ?? [], "--upgrade", "--replacepkgs", Inside(directory!, native.File!)]),
        _ => (Rpm, [.. native.Options ?? [], "--erase", native.Package]),
    };

    private static string Inside(string directory, string path) => Path.Combine(directory, path.Replace('/', Path.DirectorySeparatorChar));

    /// <summary>What a run's end means by the program's rules. Pure.</summary>
    /// <remarks>Codes of other systems are larger than what a process of this one can end with: there <c>exit 3010</c> is seen as 194.</remarks>
    public static string OutcomeOf(RunEnded ended, ProgramRules rules)
    {
        if (ended.How == RunEnded.NotStarted)
            return ProgramRun.NotStarted;
        if (ended.How == RunEnded.TimeLimit)
            return ProgramRun.TimeLimit;
        return Holds(rules.SuccessCodes) ? ProgramRun.Success : Holds(rules.RebootCodes) ? ProgramRun.SuccessReboot : Holds(rules.RetryCodes) ? ProgramRun.Retry : ProgramRun.Failure;

        bool Holds(IReadOnlyList<int> codes) => codes.Any(code => (code & 0xFF) == ended.ExitCode && (code is >= 0 and <= 0xFF || !All().Contains(ended.ExitCode.Value)));
        IEnumerable<int> All() => rules.SuccessCodes.Concat(rules.RebootCodes).Concat(rules.RetryCodes);
    }
}
