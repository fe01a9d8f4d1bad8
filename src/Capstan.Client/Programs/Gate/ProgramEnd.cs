namespace Capstan.Client.Programs.Gate;

/// <summary>Who is asked to end when a program's time is up. Pure.</summary>
internal static class ProgramEnd
{
    /// <param name="left">What is alive below the gate.</param>
    /// <param name="group">That of the program. Once all of it have ended its number is free, and may be a stranger's.</param>
    /// <returns>Process ids, and groups as negative ones, as kill(2) takes them.</returns>
    public static IReadOnlyList<int> Asked(IReadOnlyList<ProcessEntry> left, int group) =>
        left.Any(process => process.Group == group) ? [-group] : [.. left.Select(process => process.Id)];
}
