using Capstan.Site.Console;

namespace Capstan.Cli.Doctor;

/// <summary>Decides what a reading means. No I/O.</summary>
internal static class Judgement
{
    private const long FewBytes = 1L << 30;
    private const long TooFewBytes = 100L << 20;

    /// <summary>No site was installed before this program was written.</summary>
    private static readonly DateTimeOffset Earliest = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static DoctorLine DiskSpace(string directory, long freeBytes) => freeBytes switch
    {
        < TooFewBytes => DoctorLine.Failed("disk space", $"{Display.Bytes(freeBytes)} free for {directory}; the site stops accepting uploads soon below {Display.Bytes(TooFewBytes)}", "Free space on that file system."),
        < FewBytes => DoctorLine.Warning("disk space", $"{Display.Bytes(freeBytes)} free for {directory}; below {Display.Bytes(FewBytes)} is little", "Free space on that file system."),
        _ => DoctorLine.Ok("disk space", $"{Display.Bytes(freeBytes)} free for {directory}"),
    };

    /// <param name="lastWrite">When the site's database was written last, by this machine's clock then.</param>
    public static DoctorLine Clock(DateTimeOffset now, DateTimeOffset? lastWrite) => 0 switch
    {
        _ when now < Earliest => DoctorLine.Failed("clock", $"{Display.Utc(now)} is before this program was made", "Set the clock; then check the time service."),
        _ when lastWrite > now + TimeSpan.FromMinutes(5) => DoctorLine.Failed("clock", $"{Display.Utc(now)}, but the site wrote at {Display.Utc(lastWrite)}: the clock was set back", "Set the clock; signatures of the site may look as if they came from the future."),
        _ => DoctorLine.Ok("clock", Display.Utc(now)),
    };

    /// <param name="missing">Why there is no Kerberos; empty when there is. Nothing needs it unless somebody asks for it, so its presence is not worth a line.</param>
    public static DoctorLine? Kerberos(string missing) => missing.Length == 0
        ? null
        : new DoctorLine("kerberos", DoctorLine.StateNote, missing);

    /// <param name="what">The CAP.</param>
    public static DoctorLine TimestampExpiry(string what, DateTimeOffset expires, DateTimeOffset now, string command) => (expires - now) switch
    {
        { Ticks: <= 0 } => DoctorLine.Failed("signatures", $"{what}: timestamp.json expired {Display.Relative(expires, now)}; clients take no new orders", $"{command} cap publish, with the site running."),
        { TotalDays: < 7 } => DoctorLine.Warning("signatures", $"{what}: timestamp.json expires {Display.Relative(expires, now)}", $"{command} cap publish, with the site running; it signs again every week by itself."),
        _ => DoctorLine.Ok("signatures", $"{what}: timestamp.json is good for {Display.Duration(expires - now)}"),
    };

    /// <summary>Whether clients have a CAP to go to; null without any CAP, which has a line of its own.</summary>
    public static DoctorLine? Selection(int usable, int listed) => listed == 0 ? null : usable switch
    {
        0 => DoctorLine.Failed("selection", $"none of {Display.Plural(listed, "CAP")} can be used: clients keep what they have and wait", "The lines about each CAP name the causes."),
        _ when usable < listed => DoctorLine.Warning("selection", $"{usable} of {listed} CAPs can be used; clients that prefer another go to these, whose servers must take them", "The lines about each CAP name the causes."),
        _ => DoctorLine.Ok("selection", $"{Display.Plural(listed, "CAP")}, each can be used"),
    };

    public static DoctorLine Quarantine(int count, string command) => count == 0
        ? DoctorLine.Ok("quarantine", "empty")
        : DoctorLine.Warning("quarantine", $"{Display.Plural(count, "upload")} could not be accepted", $"{command} quarantine list names each reason.");
}
