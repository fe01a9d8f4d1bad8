using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Smb;
using Capstan.Smb.Authentication;
using Capstan.Smb.Connection;
using Capstan.Testing.Smb;

namespace Capstan.Bench.Figures;

/// <summary>What a connection costs that does nothing: logged on, on a share, over loopback to the test server in this process. Both sides are counted together.</summary>
internal static class IdleConnections
{
    private const int Count = 1000;

    public static async IAsyncEnumerable<Figure> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var server = new SmbTestServer();
        server.Listen();
        var endpoint = new SmbEndpoint("127.0.0.1", server.Port);
        var credentials = new NtlmCredentials("capa", "secret-capa");
        // What the first one costs is the program, not the connection.
        await using (await OpenAsync(endpoint, credentials, cancellationToken))
        {
        }
        await server.QuietAsync();
        var before = Measure();
        var all = new List<SmbConnection>(Count);
        try
        {
            while (all.Count < Count)
                all.Add(await OpenAsync(endpoint, credentials, cancellationToken));
            var after = Measure();
            if (server.Holdings is not { Sessions: Count, Trees: Count })
                throw new InvalidOperationException($"the server holds {server.Holdings}");
            yield return new($"SMB idle connection over TCP, client and server together ({Count} connections)",
                string.Create(CultureInfo.InvariantCulture, $"{(after.Managed - before.Managed) / 1024.0 / Count:0.0} KB managed, {(after.Resident - before.Resident) / 1024.0 / Count:0.0} KB resident"), "≤ 30 KB");
        }
        finally
        {
            foreach (var connection in all)
                await connection.DisposeAsync();
        }
    }

    private static async Task<SmbConnection> OpenAsync(SmbEndpoint endpoint, SmbCredentials credentials, CancellationToken cancellationToken)
    {
        var connection = await SmbConnection.ConnectAsync(endpoint, SmbOptions.Default, cancellationToken);
        var session = await connection.LogOnAsync(credentials, 0, cancellationToken);
        await session.ConnectTreeAsync("data", cancellationToken);
        return connection;
    }

    private static (long Managed, long Resident) Measure()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }
        return (GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet);
    }
}
