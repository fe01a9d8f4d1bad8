namespace Capstan.Nal.Arbiter.Core;

/// <param name="Number">One that was not used before, in this process.</param>
/// <param name="MayQueue">False: refuse at once when the budget is used up, or the server is full. An attempt that is under way is awaited all the same.</param>
/// <param name="Deadline">Monotonic time.</param>
internal sealed record ConnectionRequest(long Number, ConnectionKey Key, string Component, bool KeepWarm, bool MayQueue, TimeSpan Deadline, TimeSpan Since)
{
    /// <summary>Waits for the next try of a server that is full, if it is within the deadline; else it is refused with that time. Default true.</summary>
    public bool AsksAgain { get; init; } = true;
}
