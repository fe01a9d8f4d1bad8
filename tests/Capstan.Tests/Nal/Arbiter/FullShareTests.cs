using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Nal.Arbiter;

/// <summary>A share with a limit of its own: the server lets everybody log on, and the share refuses (Samba's <c>max connections</c>, MaxUses of Windows).</summary>
public sealed class FullShareTests : IAsyncDisposable
{
    private static readonly NalPath s_share = NalPath.Parse("smb://fs1/cap/");
    private static readonly LeasePurpose s_purpose = new("CCIM");

    private readonly ManualTime _time = new();
    private readonly LimitedShare _server;
    private readonly ConnectionArbiter _arbiter;

    public FullShareTests()
    {
        _server = new LimitedShare(new MemoryProvider("MSWNET", _time));
        _arbiter = new ConnectionArbiter([_server], new ArbiterOptions(), _time, new Random(1), NullLoggerFactory.Instance);
        _arbiter.SetServer("fs1:445", new ServerTerms { MeanHold = TimeSpan.FromSeconds(10) });
    }

    public async ValueTask DisposeAsync()
    {
        await _arbiter.DisposeAsync();
        Assert.Equal(0, _server.Inner.OpenConnections);
    }

    [Fact]
    public async Task It_is_asked_again_by_the_rule_for_full_servers_and_nothing_stays_open()
    {
        _server.IsFull = true;
        // The part of the mean hold: one and a half at first, an eighth less with each refusal in a row.
        foreach (var part in new[] { 1.5, 1.5 * 0.88, 1.5 * 0.88 * 0.88 })
        {
            var wait = await RefusedAsync();
            Assert.InRange(wait.TotalSeconds, 5 * part, 15 * part);
            Assert.Equal(0, _server.Inner.OpenConnections);
            _time.Advance(wait);
        }
        Assert.Equal(3, _server.Asked);
    }

    [Fact]
    public async Task Until_then_nobody_asks_it()
    {
        _server.IsFull = true;
        var wait = await RefusedAsync();
        _time.Advance(wait - TimeSpan.FromMilliseconds(1));
        Assert.Equal(TimeSpan.FromMilliseconds(1), await RefusedAsync());
        Assert.Equal((1, 1), (_server.Asked, _server.Inner.Attempts));
        _time.Advance(TimeSpan.FromMilliseconds(1));
        _server.IsFull = false;
        await using var lease = (await _arbiter.AcquireAsync(s_share, s_purpose, default)).Lease;
        Assert.NotNull(lease);
    }

    [Fact]
    public async Task Once_it_was_open_its_refusals_count_from_the_beginning()
    {
        _server.IsFull = true;
        for (var refusal = 0; refusal < 12; refusal++)
            _time.Advance(await RefusedAsync());
        Assert.InRange((await RefusedAsync()).TotalSeconds, 1, 5);
        _time.Advance(TimeSpan.FromSeconds(5));
        _server.IsFull = false;
        await (await _arbiter.AcquireAsync(s_share, s_purpose, default)).Lease!.DisposeAsync();
        _server.IsFull = true;
        Assert.InRange((await RefusedAsync()).TotalSeconds, 7.5, 22.5);
    }

    private async Task<TimeSpan> RefusedAsync()
    {
        var refusal = (await _arbiter.AcquireAsync(s_share, s_purpose, default)).Refusal!;
        Assert.Contains("the share is full", refusal.Reason, StringComparison.Ordinal);
        return refusal.NextTry!.Value - _time.GetUtcNow();
    }

    private sealed class LimitedShare(MemoryProvider inner) : IStorageProvider
    {
        public MemoryProvider Inner => inner;
        public bool IsFull { get; set; }
        public int Asked { get; private set; }
        public string Name => inner.Name;

        public string? ServerOf(NalPath path) => inner.ServerOf(path);

        public async ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken) =>
            new Connection(await inner.ConnectAsync(request, cancellationToken), this);

        private sealed class Connection(IStorageConnection inner, LimitedShare server) : IStorageConnection
        {
            public ulong? SessionId => inner.SessionId;

            public ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken)
            {
                server.Asked++;
                return server.IsFull
                    ? throw new NalException(NalError.ServerFull, "the share is full", path.ToString(), isTransient: true, server: "fs1:445", code: 0xC000009A)
                    : inner.OpenAsync(path, cancellationToken);
            }

            public ValueTask<bool> CloseAsync(CancellationToken cancellationToken) => inner.CloseAsync(cancellationToken);
        }
    }
}
