namespace Capstan.Protocol.V1;

/// <summary>A command line of a package, and the rules by which it runs. Its history on a client is kept under package id and <see cref="Name"/>.</summary>
public sealed record ProgramRules
{
    public const string AsSystem = "system", AsUser = "user";
    public const string Nothing = "nothing", Reboot = "reboot";
    public const string Never = "never", IfFailed = "if-failed", Always = "always", OnNewVersion = "on-new-version";

    internal const int MaxArguments = 256, MaxArgument = 4_096, MaxVariables = 64, MaxCodes = 64;

    /// <summary>A word; one program of a package.</summary>
    public required string Name { get; init; }
    /// <summary>What is started. The first element is a path inside the package with forward slashes, never looked up elsewhere. Null for <see cref="Native"/>.</summary>
    public IReadOnlyList<string>? Command { get; init; }
    /// <summary>A package of the operating system; null for <see cref="Command"/>.</summary>
    public NativePackage? Native { get; init; }
    /// <summary>A directory inside the package; null for its root.</summary>
    public string? WorkingDirectory { get; init; }
    /// <summary>Added to a small fixed environment; null for nothing.</summary>
    public IReadOnlyList<EnvironmentVariable>? Environment { get; init; }
    /// <summary><see cref="AsSystem"/>, or <see cref="AsUser"/>: as who is logged on.</summary>
    public required string RunAs { get; init; }
    /// <summary>Runs only while somebody is logged on (true), only while nobody is (false), or in any case (null). <see cref="RunAs"/> of a user needs somebody anyway.</summary>
    public bool? WhenLoggedOn { get; init; }
    /// <summary>For example <c>linux-x64</c>; null for any.</summary>
    public IReadOnlyList<string>? Platforms { get; init; }
    /// <summary>Free bytes on the disk of the client's directory, beside the content.</summary>
    public required long FreeDiskBytes { get; init; }
    /// <summary>Memory of the machine.</summary>
    public required long MemoryBytes { get; init; }
    /// <summary>10 seconds to 7 days; then all of it is ended.</summary>
    public required int TimeLimitSeconds { get; init; }
    /// <summary>It has ended when everything that it started has; otherwise when it has itself.</summary>
    public required bool WaitsForChildren { get; init; }
    /// <summary>Exit codes that are a success.</summary>
    public required IReadOnlyList<int> SuccessCodes { get; init; }
    /// <summary>Exit codes that are a success after the next start of the machine.</summary>
    public required IReadOnlyList<int> RebootCodes { get; init; }
    /// <summary>Exit codes after which it is tried again.</summary>
    public required IReadOnlyList<int> RetryCodes { get; init; }
    /// <summary>Tries in all, when its code says to try again; 1 to 100.</summary>
    public required int MaxTries { get; init; }
    /// <summary>Seconds between two tries; 60 to 31 days.</summary>
    public required int RetrySeconds { get; init; }
    /// <summary><see cref="Nothing"/>, or <see cref="Reboot"/>: the machine is started anew when it succeeded and an exit code asks for it.</summary>
    public required string AfterRun { get; init; }
    /// <summary><see cref="Never"/>, <see cref="IfFailed"/>, <see cref="Always"/> or <see cref="OnNewVersion"/>: what happens when it is offered again, and when the outcome of a run is unknown.</summary>
    public required string Rerun { get; init; }
    /// <summary>Runs when it is offered no more, if it had succeeded; null for nothing.</summary>
    public ProgramRemoval? Removal { get; init; }
    /// <summary>How long whoever is logged on is told before; 0 to 86,400.</summary>
    public required int NoticeSeconds { get; init; }
    /// <summary>How often a person may postpone it; 0 to 100.</summary>
    public required int MaxPostponements { get; init; }

    /// <summary>A path inside a package: relative, with forward slashes, without <c>.</c>, <c>..</c>, empty parts, backslashes and control characters.</summary>
    public static bool IsInside(string path) =>
        path.Length is > 0 and <= MaxArgument && !path.Any(char.IsControl) && !path.Contains('\\', StringComparison.Ordinal) && path.Split('/').All(part => part is not ("" or "." or ".."));

    internal void Check(Problems problems)
    {
        problems.Word("name", Name);
        problems.Require(Command is null != Native is null, "command", "must be given, or native, not both");
        CheckCommand("command", Command, problems);
        if (Native is not null)
            problems.Part("native", Native, static (problems, part) => part.Check(problems));
        problems.Require(WorkingDirectory is null || IsInside(WorkingDirectory), "workingDirectory", "must be a path inside the package");
        if (Environment is not null)
            problems.Each("environment", Environment, static (problems, variable) => variable.Check(problems), MaxVariables);
        problems.OneOf("runAs", RunAs, AsSystem, AsUser);
        if (Platforms is not null)
            problems.Each("platforms", Platforms, static (problems, platform) => problems.Word("", platform), 32);
        problems.Range("freeDiskBytes", FreeDiskBytes, 0, long.MaxValue);
        problems.Range("memoryBytes", MemoryBytes, 0, long.MaxValue);
        problems.Range("timeLimitSeconds", TimeLimitSeconds, 10, 7 * 86_400);
        CheckCodes("successCodes", SuccessCodes, problems);
        CheckCodes("rebootCodes", RebootCodes, problems);
        CheckCodes("retryCodes", RetryCodes, problems);
        problems.Require(SuccessCodes.Count + RebootCodes.Count > 0, "successCodes", "must not be empty");
        problems.Require(SuccessCodes.Concat(RebootCodes).Concat(RetryCodes).Distinct().Count() == SuccessCodes.Count + RebootCodes.Count + RetryCodes.Count, "successCodes", "and the other codes must name each code once");
        problems.Range("maxTries", MaxTries, 1, 100);
        problems.Range("retrySeconds", RetrySeconds, 60, 31 * 86_400);
        problems.OneOf("afterRun", AfterRun, Nothing, Reboot);
        problems.OneOf("rerun", Rerun, Never, IfFailed, Always, OnNewVersion);
        if (Removal is not null)
            problems.Part("removal", Removal, static (problems, part) => part.Check(problems));
        problems.Range("noticeSeconds", NoticeSeconds, 0, 86_400);
        problems.Range("maxPostponements", MaxPostponements, 0, 100);
    }

    /// <summary>Null is no problem: the record says which one is given.</summary>
    internal static void CheckCommand(string member, IReadOnlyList<string>? command, Problems problems)
    {
        if (command is null)
            return;
        problems.Require(command.Count > 0 && command[0] is { } program && IsInside(program), member, "must begin with a path inside the package");
        // An argument may be empty, or have lines; what ends it for the operating system it may not have.
        problems.Each(member, command, static (problems, argument) => problems.Require(argument.Length <= MaxArgument && !argument.Contains('\0', StringComparison.Ordinal), "", $"must have at most {MaxArgument} characters, and no zero"), MaxArguments);
    }

    private static void CheckCodes(string member, IReadOnlyList<int> codes, Problems problems) =>
        problems.Each(member, codes, static (problems, code) => problems.Range("", code, int.MinValue, int.MaxValue), MaxCodes);
}

/// <summary>Installs or removes a package of the operating system, by that system's own tool.</summary>
public sealed record NativePackage
{
    public const string Deb = "deb", Rpm = "rpm", Install = "install", Remove = "remove";

    /// <summary><see cref="Deb"/> or <see cref="Rpm"/>.</summary>
    public required string Format { get; init; }
    /// <summary><see cref="Install"/> or <see cref="Remove"/>.</summary>
    public required string Action { get; init; }
    /// <summary>Path inside the package of what is installed; null to remove.</summary>
    public string? File { get; init; }
    /// <summary>Name of the operating system's package.</summary>
    public required string Package { get; init; }
    /// <summary>More options of the tool, for example <c>--root=/srv/tree</c>; null for none.</summary>
    public IReadOnlyList<string>? Options { get; init; }

    internal void Check(Problems problems)
    {
        problems.OneOf("format", Format, Deb, Rpm);
        problems.OneOf("action", Action, Install, Remove);
        problems.Require(Action == Install ? File is not null && ProgramRules.IsInside(File) : File is null, "file", "must be a path inside the package to install, and absent to remove");
        problems.Require(Package.Length is > 0 and <= 255 && char.IsAsciiLetterOrDigit(Package[0]) && Package.All(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '-' or '.' or '_' or ':'), "package", "must be the name of a package");
        if (Options is not null)
            problems.Each("options", Options, static (problems, option) => problems.Require(option.StartsWith('-') && option.Length <= 1_000 && !option.Any(char.IsControl), "", "must begin with - and have no control characters"), 32);
    }
}

/// <summary>What takes away again what a program did. One of the two is given, as in <see cref="ProgramRules"/>.</summary>
public sealed record ProgramRemoval
{
    public IReadOnlyList<string>? Command { get; init; }
    public NativePackage? Native { get; init; }

    internal void Check(Problems problems)
    {
        problems.Require(Command is null != Native is null, "command", "must be given, or native, not both");
        ProgramRules.CheckCommand("command", Command, problems);
        if (Native is not null)
            problems.Part("native", Native, static (problems, part) => part.Check(problems));
        problems.Require(Native is null or { Action: NativePackage.Remove }, "native", "must remove");
    }
}

/// <summary>A variable of a program's environment.</summary>
public sealed record EnvironmentVariable(string Name, string Value)
{
    internal void Check(Problems problems)
    {
        problems.Require(Name.Length is > 0 and <= 200 && !char.IsAsciiDigit(Name[0]) && Name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'), "name", "must have letters, digits and _, and not begin with a digit");
        problems.Require(Value.Length <= 4_096 && !Value.Contains('\0', StringComparison.Ordinal), "value", "must have at most 4096 characters, and no zero");
    }
}
