using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Local;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Nal.Arbiter;

public sealed class ConnectionArbiterTests : IAsyncDisposable
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly LeasePurpose Purpose = new("CCIM");

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("capstan-arbiter-");
    private readonly ConnectionArbiter _arbiter;

    public ConnectionArbiterTests() => _arbiter = new ConnectionArbiter([new LocalProvider(TimeProvider.System)], new ArbiterOptions(), new ManualTime(),
        new Random(1), NullLoggerFactory.Instance);

    public async ValueTask DisposeAsync()
    {
        await _arbiter.DisposeAsync();
        _root.Delete(recursive: true);
    }

    [Fact]
    public async Task A_lease_on_a_directory_reads_and_writes_and_ends()
    {
        var result = await _arbiter.AcquireAsync(NalPath.FromDirectory(_root.FullName), Purpose, None);
        Assert.True(result.TryGetLease(out var lease, out _));
        Assert.True(await lease.Store.CreateAsync(StorePath.Parse("file"), new MemoryStream([1, 2, 3]), None));
        Assert.Equal(["CCIM"], Assert.Single(_arbiter.Connections()).Holders);
        await lease.DisposeAsync();
        await lease.DisposeAsync();
        Assert.Empty(_arbiter.Connections());
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await lease.Store.StatAsync(StorePath.Root, None));
    }

    [Fact]
    public async Task Leases_on_one_root_share_one_connection()
    {
        var path = NalPath.FromDirectory(_root.FullName);
        var first = (await _arbiter.AcquireAsync(path, Purpose, None)).Lease!;
        var second = (await _arbiter.AcquireAsync(path, new LeasePurpose("APM"), None)).Lease!;
        Assert.Equal(2, Assert.Single(_arbiter.Connections()).ReferenceCount);
        await first.DisposeAsync();
        Assert.Equal(1, Assert.Single(_arbiter.Connections()).ReferenceCount);
        await second.DisposeAsync();
        Assert.Empty(_arbiter.Connections());
    }

    [Fact]
    public async Task Warm_connections_stay_until_the_component_withdraws_the_wish()
    {
        var path = NalPath.FromDirectory(_root.FullName);
        await (await _arbiter.AcquireAsync(path, Purpose with { KeepWarm = true }, None)).Lease!.DisposeAsync();
        var idle = Assert.Single(_arbiter.Connections());
        Assert.Equal(("idle", 0, 1), (idle.State, idle.ReferenceCount, idle.PersistenceCount));
        await (await _arbiter.AcquireAsync(path, Purpose, None)).Lease!.DisposeAsync();
        Assert.Empty(_arbiter.Connections());
    }

    [Fact]
    public async Task An_export_falls_back_to_the_entry_that_is_there()
    {
        var missing = NalPath.FromDirectory(Path.Combine(_root.FullName, "missing"));
        var there = NalPath.FromDirectory(_root.FullName);
        _arbiter.SetExport("CAP List for site ABC", [missing.WithQualifiers("ABC", isPreferred: false), there]);
        await using var lease = (await _arbiter.AcquireAsync(NalPath.Export("CAP List for site ABC"), Purpose, None)).Lease!;
        Assert.Equal(there, lease.Path);
        Assert.Equal(2, lease.Trace.Candidates.Count);
        Assert.Single(lease.Trace.Candidates, candidate => candidate.Outcome == "used");
    }

    [Fact]
    public async Task When_no_candidate_can_be_used_the_classic_line_says_why()
    {
        _arbiter.SetExport("CAP List for site ABC", [NalPath.Parse("smb://fs1/cap/"), NalPath.FromDirectory(Path.Combine(_root.FullName, "missing"))]);
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await _arbiter.AcquireAsync(NalPath.Export("CAP List for site ABC"), Purpose, None));
        Assert.StartsWith(@"abstract export ABEXPRT:\\CAP List for site ABC not accessible: ", thrown.Message, StringComparison.Ordinal);
        Assert.Contains(@"MSWNET:\\fs1\cap\: this build does not speak MSWNET yet (it speaks LOCAL)", thrown.Message, StringComparison.Ordinal);
        Assert.Contains("missing is not there; create it", thrown.Message, StringComparison.Ordinal);
        Assert.Equal([NalError.NotFound, NalError.Resolve], thrown.Trace!.Candidates.Select(candidate => candidate.Error!.Value).Order().Reverse());
        Assert.Empty(_arbiter.Connections());
    }

    [Fact]
    public async Task An_unknown_or_empty_export_has_no_candidates()
    {
        var unknown = await Assert.ThrowsAsync<NalException>(async () => await _arbiter.AcquireAsync(NalPath.Export("CAP List for site XYZ"), Purpose, None));
        Assert.Equal(NalError.Resolve, unknown.Error);
        Assert.Contains("no candidates", unknown.Message, StringComparison.Ordinal);
        _arbiter.SetExport("CAP List for site XYZ", []);
        var empty = await Assert.ThrowsAsync<NalException>(async () => await _arbiter.AcquireAsync(NalPath.Export("CAP List for site XYZ"), Purpose, None));
        Assert.Contains("no candidates: the list is empty", empty.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disposed_arbiter_ends_leases_and_refuses_new_ones()
    {
        var path = NalPath.FromDirectory(_root.FullName);
        var lease = (await _arbiter.AcquireAsync(path, Purpose, None)).Lease!;
        await _arbiter.DisposeAsync();
        Assert.Empty(_arbiter.Connections());
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await lease.Store.StatAsync(StorePath.Root, None));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await _arbiter.AcquireAsync(path, Purpose, None));
        await lease.DisposeAsync();
    }
}
