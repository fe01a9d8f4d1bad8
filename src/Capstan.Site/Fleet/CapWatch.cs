using Capstan.Protocol.V1;
using Capstan.Site.Store;

namespace Capstan.Site.Fleet;

/// <summary>Says once in a status message when a CAP comes near its limit, reaches it, or is well again; and forgets what is too old to count.</summary>
internal sealed class CapWatch(SiteContext site, CapLoadReader loads)
{
    private const string Component = "capacity";

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var readings = await loads.ReadAsync((int)CapLoad.PeakWindow.TotalDays, cancellationToken);
        var now = site.Time.GetUtcNow();
        await site.Database.WriteAsync(async transaction =>
        {
            await CapUseStore.PruneAsync(transaction, now);
            foreach (var reading in readings)
            {
                var before = await CapUseStore.LevelAsync(transaction, reading.Cap.Path);
                if (string.Equals(before, reading.Judgement.Level, StringComparison.Ordinal))
                    continue;
                await CapUseStore.SetLevelAsync(transaction, reading.Cap.Path, reading.Judgement.Level);
                await StatusStore.AddAsync(transaction, null, Message(reading, now), now);
            }
        }, cancellationToken);
    }

    private static StatusMessage Message(CapReading reading, DateTimeOffset now) => new()
    {
        Severity = reading.Judgement.Text is null ? "information" : "warning",
        Code = Code(reading.Judgement.Level),
        Component = Component,
        Text = reading.Judgement is { Text: { } text, NextStep: { } step } ? $"{text} {step}" : reading.Cap.Licensing is null ? $"{reading.Cap.Path}: no client was refused for 3 days." : $"{reading.Cap.Path}: well within its limit again.",
        ReportedAt = Times.Of(now),
    };

    /// <summary>Of the status message and of the health condition.</summary>
    public static string Code(string level) => level switch
    {
        CapLoad.Reached => "cap_limit_reached",
        CapLoad.Near => "cap_limit_near",
        _ => "cap_limit_ok",
    };
}
