using Capstan.Protocol.V1;
using Capstan.Site.Api;

namespace Capstan.Site.Console;

/// <summary>How much of a CAP's limit is used, in a few words; the same in the console and on the command line.</summary>
public static class CapLoadText
{
    /// <summary>For example <c>16 of 16, refused 7 times</c>, <c>45 of 50 devices</c>, <c>3</c>; <see cref="Display.None"/> when no client has told of it.</summary>
    public static string Of(CapRow cap)
    {
        ArgumentNullException.ThrowIfNull(cap);
        if (cap.Load is not { } load || (load.ReportedAt is null && load.Refused == 0))
            return Display.None;
        var used = LicensingMode.Kind(cap.Licensing) switch
        {
            LicensingKind.PerServer => $"{Display.Count(load.PeakConnections)} of {Display.Count(load.Limit - cap.Headroom)}",
            LicensingKind.PerSeat => $"{Display.Count(load.Devices90Days)} of {Display.Count(load.Limit)} devices",
            _ => Display.Count(load.PeakConnections),
        };
        return load.Refused == 0 ? used : $"{used}, refused {(load.Refused == 1 ? "once" : $"{Display.Count(load.Refused)} times")}";
    }
}
