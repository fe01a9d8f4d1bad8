namespace Capstan.Testing.Arbiter;

/// <summary>Something that must never happen, in one simulated world.</summary>
public sealed class WorldException(string rule, TimeSpan now, string what) : Exception(FormattableString.Invariant($"{rule} is broken at {now.TotalSeconds:F3} s: {what}"))
{
    public string Rule => rule;
}
