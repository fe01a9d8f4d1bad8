using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Nwbind;
using Capstan.Ncp;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Nal.Providers.Nwbind;

/// <summary>The contract of stores, over TCP with signatures.</summary>
public sealed class NwbindStoreTests : StoreConformance
{
    private readonly NwbindWorld _world = new();
    private NwbindConnection? _connection;

    protected override async ValueTask<IStore> CreateStoreAsync()
    {
        _connection = await NwbindWorld.ConnectAsync(_world.Path);
        return await _connection.OpenAsync(_world.Path, CancellationToken.None);
    }

    public override async ValueTask DisposeAsync()
    {
        Assert.True(await _connection!.CloseAsync(CancellationToken.None));
        Assert.Empty(_world.Server.Held);
        Assert.Empty(_world.Server.Complaints);
        await _world.DisposeAsync();
        await base.DisposeAsync();
    }
}

/// <summary>The contract of stores, in datagrams, of which some are lost and some come twice.</summary>
public sealed class NwbindDatagramStoreTests : StoreConformance
{
    private readonly NwbindWorld _world;
    private NwbindConnection? _connection;

    public NwbindDatagramStoreTests()
    {
        var random = new Random(7);
        // Called by one receiver, and by senders under no lock: chance is shared.
        Testing.Ncp.NcpFate Next()
        {
            lock (random)
                return random.Next(100) switch { < 2 => Testing.Ncp.NcpFate.IsLost, < 10 => Testing.Ncp.NcpFate.IsDoubled, _ => Testing.Ncp.NcpFate.Arrives };
        }
        _world = new NwbindWorld(rules =>
        {
            rules.Incoming = Next;
            rules.Outgoing = Next;
        });
    }

    protected override async ValueTask<IStore> CreateStoreAsync()
    {
        _connection = await NwbindWorld.ConnectAsync(_world.Path, options: NcpOptions.Default with { Transport = NcpTransport.Udp, FirstRetransmission = TimeSpan.FromMilliseconds(15) });
        return await _connection.OpenAsync(_world.Path, CancellationToken.None);
    }

    public override async ValueTask DisposeAsync()
    {
        Assert.True(await _connection!.CloseAsync(CancellationToken.None));
        Assert.Empty(_world.Server.Held);
        Assert.Empty(_world.Server.Complaints);
        await _world.DisposeAsync();
        await base.DisposeAsync();
    }
}
