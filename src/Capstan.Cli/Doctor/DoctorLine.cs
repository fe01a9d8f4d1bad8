namespace Capstan.Cli.Doctor;

/// <summary>One thing that was looked at.</summary>
/// <param name="State"><c>ok</c>, <c>note</c> (good to know, nothing is wrong), <c>warning</c> or <c>failed</c>.</param>
/// <param name="Detail">The reading, with its limit or cause.</param>
/// <param name="NextStep">What to do; null when ok.</param>
internal sealed record DoctorLine(string Name, string State, string Detail, string? NextStep = null)
{
    public const string StateOk = "ok";
    public const string StateNote = "note";
    public const string StateWarning = "warning";
    public const string StateFailed = "failed";

    public static DoctorLine Ok(string name, string detail) => new(name, StateOk, detail);

    public static DoctorLine Warning(string name, string detail, string nextStep) => new(name, StateWarning, detail, nextStep);

    public static DoctorLine Failed(string name, string detail, string nextStep) => new(name, StateFailed, detail, nextStep);
}
