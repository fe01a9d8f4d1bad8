using System.Globalization;

namespace Capstan.Client.Programs;

/// <summary>What those who are logged on are told before something happens to their machine. Pure.</summary>
internal static class ProgramNotice
{
    public static string Of(ProgramStep.Notice notice, DateTimeOffset now, TimeZoneInfo zone)
    {
        var (document, rules) = (notice.For.Document, notice.Offer.Program);
        var at = TimeZoneInfo.ConvertTime(now.AddSeconds(rules.NoticeSeconds), zone).ToString("HH:mm", CultureInfo.InvariantCulture);
        if (notice.IsRestart)
            return $"This machine is started anew at {at}: {document.Name} needs it. Please save your work.";
        var isLate = document.Deadline is { } deadline && now.ToUnixTimeSeconds() >= deadline;
        return $"{document.Name} ({rules.Name} of {notice.Offer.PackageName}) runs on this machine at {at}. Please save your work."
            + (notice.For.Postponements < rules.MaxPostponements && !isLate ? $" Whoever administers it can let it wait: capstan-client programs postpone {document.AdvertisementId}" : "");
    }
}
