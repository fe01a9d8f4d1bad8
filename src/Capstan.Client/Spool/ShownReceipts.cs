using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Client.Spool;

/// <summary>How the receipts that a CAP shows compare with the newest that this client has taken.</summary>
internal enum ReceiptsAge
{
    Current = 1,
    /// <summary>An older copy, as a CAP has for a while that the site has not reached yet.</summary>
    Behind = 2,
    /// <summary>An older copy than this very CAP has shown before.</summary>
    RolledBack = 3,
    /// <summary>An older copy that has stayed the same for longer than the site may take.</summary>
    Withheld = 4,
}

/// <summary>What one CAP has shown of the receipts, so that a copy that only lags is told from one that was put back or is kept back.</summary>
/// <param name="Revision">The highest that it has shown in this epoch.</param>
/// <param name="BehindSince">Since when it has shown it although a newer one is known, by the wall clock of then: a hint. Null while none is.</param>
/// <param name="IsReported">The site was told.</param>
internal sealed record ShownReceipts(long Epoch, long Revision, DateTimeOffset? BehindSince, bool IsReported)
{
    /// <summary>Pure.</summary>
    /// <param name="before">What this CAP has shown so far; null for nothing.</param>
    /// <param name="newest">Revision that was taken last in this epoch, from any CAP; 0 for none.</param>
    /// <param name="patience">How long a CAP may show the same older copy.</param>
    public static (ReceiptsAge Age, ShownReceipts Shown) Judge(ShownReceipts? before, long newest, Receipts receipts, DateTimeOffset now, TimeSpan patience)
    {
        if (receipts.Revision >= newest)
            return (ReceiptsAge.Current, new ShownReceipts(receipts.Epoch, receipts.Revision, null, IsReported: false));
        if (before is null || before.Epoch != receipts.Epoch || receipts.Revision > before.Revision)
            return (ReceiptsAge.Behind, new ShownReceipts(receipts.Epoch, receipts.Revision, now, IsReported: false));
        if (receipts.Revision < before.Revision)
            return (ReceiptsAge.RolledBack, before);
        // A moment that is still to come is of a clock that was wrong.
        if (before.BehindSince is not { } since || since > now)
            return (ReceiptsAge.Behind, before with { BehindSince = now });
        return (now - since < patience ? ReceiptsAge.Behind : ReceiptsAge.Withheld, before);
    }

    /// <summary>As <see cref="ToText"/> wrote it; null for null.</summary>
    public static ShownReceipts? Parse(string? text)
    {
        if (text?.Split(' ') is not [var epoch, var revision, var since, var reported])
            return null;
        return new ShownReceipts(Number(epoch), Number(revision), since.Length == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(Number(since)), reported == "1");
    }

    public string ToText() => string.Create(CultureInfo.InvariantCulture, $"{Epoch} {Revision} {BehindSince?.ToUnixTimeMilliseconds()} {(IsReported ? 1 : 0)}");

    private static long Number(string text) => long.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
}
