using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Capstan.Client;

namespace Capstan.Agent;

/// <summary>Runs the client and tells the service manager that it is ready and that it moves (the protocol of <c>sd_notify</c>: datagrams to <c>$NOTIFY_SOCKET</c>). Without one it only runs.</summary>
/// <remarks>The watchdog is fed by a timer beside the loop, which asks whether the loop moves: one that hangs is ended by the service manager and started anew.</remarks>
internal sealed class ServiceWatch(CapstanClient client, AgentConsole console, TimeProvider time)
{
    /// <exception cref="SocketException">The service manager named a socket that does not take anything; the client has not begun.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (EndPoint() is not { } manager)
        {
            await client.RunAsync(cancellationToken);
            return;
        }
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        await SendAsync(socket, manager, "READY=1", cancellationToken);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var feeding = Interval() is { } interval ? FeedAsync(socket, manager, interval, ended.Token) : Task.CompletedTask;
        try
        {
            await client.RunAsync(cancellationToken);
        }
        finally
        {
            await ended.CancelAsync();
            await feeding;
            await TellAsync(socket, manager, "STOPPING=1", CancellationToken.None);
        }
    }

    private async Task FeedAsync(Socket socket, UnixDomainSocketEndPoint manager, TimeSpan interval, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                if (client.IsSound)
                    await TellAsync(socket, manager, "WATCHDOG=1", cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // How it ends.
        }
    }

    /// <summary>What the service manager can miss: how the client does, and how it ended, is not changed by who hears of it.</summary>
    private static async Task TellAsync(Socket socket, UnixDomainSocketEndPoint manager, string text, CancellationToken cancellationToken)
    {
        try
        {
            await SendAsync(socket, manager, text, cancellationToken);
        }
        catch (SocketException)
        {
            // The service manager is being renewed; it hears the next one.
            return;
        }
    }

    /// <summary>A path, or a name of the abstract space, which begins with @ in the variable and with a zero for the kernel.</summary>
    private UnixDomainSocketEndPoint? EndPoint() => console.Environment("NOTIFY_SOCKET") is { Length: > 1 } name
        ? new UnixDomainSocketEndPoint(name[0] == '@' ? '\0' + name[1..] : name)
        : null;

    /// <summary>Half of what the service manager waits for.</summary>
    private TimeSpan? Interval() =>
        long.TryParse(console.Environment("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds) && microseconds >= 1_000_000
            ? TimeSpan.FromMicroseconds(microseconds / 2.0)
            : null;

    private static async Task SendAsync(Socket socket, UnixDomainSocketEndPoint manager, string text, CancellationToken cancellationToken) =>
        await socket.SendToAsync(Encoding.ASCII.GetBytes(text), SocketFlags.None, manager, cancellationToken);
}
