using Capstan.Cli.Output;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary>One client for a person: what <c>client show</c> prints, and <c>up --once</c> as its summary.</summary>
internal static class ClientView
{
    public static async Task WriteAsync(CliHost host, ClientDetail detail)
    {
        await Terminal.WriteFactsAsync(host, Facts(host, detail));
        if (detail.Hardware is { } hardware && hardware.Unread.Count + (detail.Software?.Unread.Count ?? 0) > 0)
        {
            await host.Out.WriteLineAsync();
            await host.Out.WriteLineAsync("Not readable:");
            foreach (var unread in hardware.Unread.Concat(detail.Software?.Unread ?? []))
                await host.Out.WriteLineAsync($"  {VisibleText.Of(unread.Source, 200)}: {VisibleText.Of(unread.Reason, 300)}");
        }
        await host.Out.WriteLineAsync();
        await host.Out.WriteLineAsync("Everything: add -o json.");
    }

    public static IEnumerable<(string, string?)> Facts(CliHost host, ClientDetail detail)
    {
        var now = host.Time.GetUtcNow();
        var client = detail.Summary;
        var hardware = detail.Hardware;
        yield return ("Host", client.HostName);
        yield return ("State", client.MovedAt is { } moved ? $"{Display.State(client)}, {Display.Relative(moved, now)} ({Display.Utc(moved)})" : client.State);
        yield return ("Device id", client.DeviceId);
        yield return ("Fingerprint", client.Fingerprint);
        yield return ("Seen", client.LastSeen is null ? "not yet" : $"{Display.Relative(client.LastSeen, now)} ({Display.Utc(client.LastSeen)})");
        yield return ("Operating system", client.OperatingSystem);
        yield return ("Kernel", hardware is null ? null : $"{hardware.OperatingSystem.Kernel} {hardware.OperatingSystem.Architecture}");
        yield return ("Model", client.Model);
        yield return ("Virtualisation", hardware?.System.Virtualization);
        yield return ("Processor", Processors(hardware));
        yield return ("Memory", client.MemoryBytes is null ? null : Display.Bytes(client.MemoryBytes));
        yield return ("Disks", hardware is null ? null : string.Join(", ", hardware.Disks.Select(disk => $"{disk.Name} {Display.Bytes(disk.SizeBytes)}")));
        yield return ("Addresses", string.Join(", ", detail.Addresses));
        yield return ("Packages", client.PackageCount is null ? null : Display.Count(client.PackageCount));
        yield return ("Client version", client.ClientVersion);
        yield return ("Policy version", client.PolicyVersion?.ToString());
        yield return ("Last record", client.Sequence.ToString());
        yield return ("Collections", detail.Collections.Count == 0 ? null : string.Join(", ", detail.Collections.Select(collection => collection.Name)));
        foreach (var setting in detail.Settings)
            yield return ($"{setting.Name}", $"{setting.Text} ({setting.From})");
        foreach (var component in detail.Components.Where(component => component.State is not "ok"))
            yield return (component.Name, $"{component.State}: {component.Detail}");
    }

    private static string? Processors(HardwareInventory? hardware) => hardware?.Processors is { Count: > 0 } all
        ? $"{all[0].Model} ({Display.Plural(all.Sum(processor => (long)processor.Threads), "thread")})"
        : null;
}
