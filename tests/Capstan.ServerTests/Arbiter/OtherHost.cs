using System.Diagnostics;
using System.Globalization;
using Capstan.Testing.Servers;

namespace Capstan.ServerTests.Arbiter;

/// <summary>A host of its own behind a cable: a network namespace with one end of a pair of devices, the other end of which this machine has.</summary>
/// <remarks>The namespace has no name. It lives by one process, whose input ends with this one: whatever happens to a test, the kernel takes namespace and devices away.</remarks>
internal sealed class OtherHost : IAsyncDisposable
{
    private const string Device = "far";

    private readonly Process _keeper;
    private readonly string _cable;
    private bool _isGone;

    private OtherHost(Process keeper, string cable) => (_keeper, _cable) = (keeper, cable);

    /// <summary>What a program must be started with to run on that host.</summary>
    public string[] Enter => ["nsenter", "--target", _keeper.Id.ToString(CultureInfo.InvariantCulture), "--net"];

    /// <summary>Skips the test where the rights or the tools are missing; with CI=true fails it.</summary>
    /// <param name="near">This machine's address on the cable, with the length of its prefix: <c>10.77.1.1/24</c>.</param>
    /// <param name="far">That of the host.</param>
    public static async Task<OtherHost> StartAsync(string near, string far)
    {
        Tools.Require("ip", "unshare", "nsenter", "cat");
        Tools.RequireRoot("a network namespace is made");
        var start = new ProcessStartInfo(Tools.Find("unshare")!) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var argument in (string[])["--net", "cat"])
            start.ArgumentList.Add(argument);
        var keeper = Process.Start(start)!;
        var host = new OtherHost(keeper, string.Create(CultureInfo.InvariantCulture, $"cap{keeper.Id}"));
        try
        {
            // It answers when it is in its namespace.
            await keeper.StandardInput.WriteAsync("there\n");
            await keeper.StandardInput.FlushAsync();
            await keeper.StandardOutput.ReadLineAsync(CancellationToken.None);
            await Tools.RunAsync("ip", ["link", "add", host._cable, "type", "veth", "peer", "name", Device, "netns", keeper.Id.ToString(CultureInfo.InvariantCulture)]);
            await Tools.RunAsync("ip", ["address", "add", near, "dev", host._cable]);
            await Tools.RunAsync("ip", ["link", "set", host._cable, "up"]);
            await host.ThereAsync("address", "add", far, "dev", Device);
            await host.ThereAsync("link", "set", Device, "up");
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>The cable is cut: nothing passes, and neither side is told.</summary>
    public Task CutAsync() => ThereAsync("link", "set", Device, "down");

    public async ValueTask DisposeAsync()
    {
        if (_isGone)
            return;
        _isGone = true;
        if (!_keeper.HasExited)
            _keeper.Kill();
        await _keeper.WaitForExitAsync(CancellationToken.None);
        _keeper.Dispose();
        // The kernel takes the namespace away in its own time; the devices go with this, and at once.
        await Tools.TryAsync("ip", ["link", "delete", _cable]);
    }

    private Task<string> ThereAsync(params string[] arguments) => Tools.RunAsync(Enter[0], [.. Enter[1..], "ip", .. arguments]);
}
