using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Ncp;
using Capstan.Ncp.Bindery;
using Capstan.Ncp.Connection;
using Capstan.Ncp.Files;
using Capstan.Testing.Ncp;

namespace Capstan.Bench.Figures;

/// <summary>The NCP client over loopback, signed, against the test server in this process: both sides' time and memory are counted together.</summary>
internal static class NcpFigures
{
    private const int Requests = 50_000;
    private const int FileBytes = 100_000_000;
    private const int Idle = 50;

    public static async IAsyncEnumerable<Figure> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("capstan-ncp-bench-");
        try
        {
            var rules = new NcpServerRules();
            rules.Volumes.Add("VOL", new NcpTestVolume(directory.FullName));
            await using var server = new NcpTestServer(rules).Listen();
            foreach (var transport in (NcpTransport[])[NcpTransport.Tcp, NcpTransport.Udp])
                yield return await SmallAsync(server, transport, cancellationToken);
            foreach (var figure in await TransferAsync(server, cancellationToken))
                yield return figure;
            yield return await IdleAsync(server, cancellationToken);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static async Task<Figure> SmallAsync(NcpTestServer server, NcpTransport transport, CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(server, transport, cancellationToken);
        var bindery = new BinderyService(connection);
        var seconds = await FigureTable.MedianSecondsAsync(3, async () =>
        {
            for (var request = 0; request < Requests; request++)
                await bindery.ClockAsync(cancellationToken);
        });
        await connection.CloseAsync(cancellationToken);
        return new($"NCP small requests on one connection, {transport}, signed", string.Create(CultureInfo.InvariantCulture, $"{Requests / seconds:N0}/s"), "≥ 10,000/s");
    }

    private static async Task<IReadOnlyList<Figure>> TransferAsync(NcpTestServer server, CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(server, NcpTransport.Tcp, cancellationToken);
        var volume = await NcpVolume.OpenAsync(connection, "VOL", cancellationToken);
        var content = new byte[FileBytes];
        var write = await FigureTable.MedianSecondsAsync(3, async () =>
        {
            await volume.DeleteAsync("large", cancellationToken);
            var file = await volume.CreateAsync("large", cancellationToken);
            await file.WriteAsync(0, content, cancellationToken);
            await file.FlushAsync(cancellationToken);
            await file.CloseAsync(cancellationToken);
        });
        var read = await FigureTable.MedianSecondsAsync(3, async () =>
        {
            var file = await volume.OpenAsync("large", cancellationToken);
            if (await file.ReadAsync(0, content, cancellationToken) != FileBytes)
                throw new InvalidOperationException("the file is short");
            await file.CloseAsync(cancellationToken);
        });
        await connection.CloseAsync(cancellationToken);
        return
        [
            new($"NCP write of 100 MB with its flush, TCP, signed, {connection.BufferBytes} bytes at a time", string.Create(CultureInfo.InvariantCulture, $"{FileBytes / write / 1e6:F0} MB/s"), "–"),
            new("NCP read of it", string.Create(CultureInfo.InvariantCulture, $"{FileBytes / read / 1e6:F0} MB/s"), "≥ 80 MB/s"),
        ];
    }

    private static async Task<Figure> IdleAsync(NcpTestServer server, CancellationToken cancellationToken)
    {
        await (await OpenAsync(server, NcpTransport.Tcp, cancellationToken)).CloseAsync(cancellationToken);
        var before = Managed();
        var all = new List<NcpConnection>(Idle);
        while (all.Count < Idle)
            all.Add(await OpenAsync(server, NcpTransport.Tcp, cancellationToken));
        var used = Managed() - before;
        foreach (var connection in all)
            await connection.CloseAsync(cancellationToken);
        return new($"NCP, {Idle} idle connections over TCP, client and server together", string.Create(CultureInfo.InvariantCulture, $"{used / 1024.0:F0} KB managed"), "≤ 1 MB");
    }

    private static async Task<NcpConnection> OpenAsync(NcpTestServer server, NcpTransport transport, CancellationToken cancellationToken)
    {
        var connection = await NcpConnection.ConnectAsync(new NcpEndpoint("127.0.0.1", server.Port), NcpOptions.Default with { Transport = transport }, cancellationToken);
        await new BinderyService(connection).LogInAsync("capa", "Pw-capa-1", cancellationToken);
        return connection;
    }

    private static long Managed()
    {
        for (var round = 0; round < 3; round++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }
        return GC.GetTotalMemory(forceFullCollection: true);
    }
}
