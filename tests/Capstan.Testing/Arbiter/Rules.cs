namespace Capstan.Testing.Arbiter;

/// <summary>What every simulated world holds, at every step.</summary>
public static class Rules
{
    public const string Needed = "invariant 1 (open only while needed; a record until the close is confirmed)";
    public const string Budget = "invariant 2 (never more connections than the machine's budget)";
    public const string OnlyOwn = "invariant 9 (only own sessions are ended)";
    public const string NoLock = "no account is locked by us";
    public const string Ends = "every request ends, once";
    public const string Progress = "every client finishes";
}
