using Capstan.Client.Identity;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;

namespace Capstan.Tests.Site;

/// <summary>One identity on two machines, and one machine that was set back: told apart, and both go on. Clients and site as they are delivered.</summary>
public sealed class CloneTests : IAsyncLifetime
{
    private const string Uuid1 = "4c4c4544-0043-3010-8052-b4c04f564231", Uuid2 = "0d3f6c1e-1f2e-4000-8000-000000000071", Uuid3 = "7c1f0a52-9d3e-4b11-8c55-1a2b3c4d5e6f";

    private readonly ManualTime _time = new();
    private SiteHarness _site = null!;

    public async ValueTask InitializeAsync()
    {
        _site = await SiteHarness.CreateAsync(_time);
        await _site.AddCapAsync();
        await _site.PublishAsync();
    }

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    [Theory]
    [InlineData(Uuid1, Uuid2)]
    [InlineData(null, null)]
    public async Task A_copied_client_becomes_a_client_of_its_own_and_the_original_stays_who_it_is(string? uuid1, string? uuid2)
    {
        await using var original = new RealClient(_site, _time, "original", uuid1) { PackageVersion = "1.0" };
        await original.InstallAsync(await TokenAsync(1));
        await RoundsAsync(3, original);
        var id = (await original.StatusAsync()).DeviceId;
        await original.CloseAsync();
        await using var copy = new RealClient(_site, _time, "copy", uuid2) { PackageVersion = "2.0" };
        RealClient.Copy(original.Directory, copy.Directory);
        await original.OpenAsync();
        await copy.OpenAsync();

        await RoundsAsync(5, original, copy);

        var states = new[] { await original.StatusAsync(), await copy.StatusAsync() };
        Assert.All(states, status => Assert.Equal("approved", status.State));
        Assert.Equal(2, states.Select(status => status.DeviceId).Distinct().Count());
        if (uuid1 is not null)
            Assert.Equal(id, states[0].DeviceId);
        else
            // Nothing tells which of the two was first; one of them kept the identity.
            Assert.Contains(id, states.Select(status => status.DeviceId));
        foreach (var status in states)
            Assert.Equal(status.Sequence, (await _site.Get<DeviceStore>().DetailAsync(status.DeviceId, CancellationToken.None))!.Value.Summary.Sequence);
        Assert.Equal("1.0", await PackageAsync(states[0].DeviceId));
        Assert.Equal("2.0", await PackageAsync(states[1].DeviceId));
        var messages = await _site.Get<StatusStore>().ListAsync(null, null, null, 100, CancellationToken.None);
        Assert.Single(messages, message => message.Code == "identity_shared");
        Assert.Single(messages, message => message.Code == "identity_separated");
    }

    [Fact]
    public async Task Two_copies_that_are_never_on_together_are_told_apart()
    {
        await using var day = new RealClient(_site, _time, "day") { PackageVersion = "1.0" };
        await day.InstallAsync(await TokenAsync(1));
        await RoundsAsync(3, day);
        await day.CloseAsync();
        await using var night = new RealClient(_site, _time, "night") { PackageVersion = "2.0" };
        RealClient.Copy(day.Directory, night.Directory);
        for (var turn = 0; turn < 4; turn++)
        {
            foreach (var client in new[] { day, night })
            {
                client.PackageVersion = $"{client.PackageVersion[..1]}.{turn}";
                await client.OpenAsync();
                await RoundsAsync(2, client);
                await client.CloseAsync();
            }
        }

        var states = new[] { await day.StatusAsync(), await night.StatusAsync() };
        Assert.All(states, status => Assert.Equal("approved", status.State));
        Assert.NotEqual(states[0].DeviceId, states[1].DeviceId);
        Assert.Equal("1.3", await PackageAsync(states[0].DeviceId));
        Assert.Equal("2.3", await PackageAsync(states[1].DeviceId));
        var messages = await _site.Get<StatusStore>().ListAsync(null, null, null, 100, CancellationToken.None);
        Assert.Single(messages, message => message.Code == "identity_shared");
        Assert.Single(messages, message => message.Code == "identity_separated");
    }

    [Fact]
    public async Task A_copy_on_other_hardware_says_so_with_its_first_word()
    {
        await using var original = new RealClient(_site, _time, "original", Uuid1);
        await original.InstallAsync(await TokenAsync(1));
        await RoundsAsync(3, original);
        var id = (await original.StatusAsync()).DeviceId;
        await original.CloseAsync();
        await using var copy = new RealClient(_site, _time, "copy", Uuid2);
        RealClient.Copy(original.Directory, copy.Directory);
        await original.OpenAsync();
        await copy.OpenAsync();
        // No inventory is due for a day, but each has something to say, the copy first.
        for (var round = 0; round < 6; round++)
        {
            foreach (var client in new[] { copy, original })
            {
                _time.Advance(TimeSpan.FromMinutes(10));
                client.Say($"round {round}");
                await client.SettleAsync();
                await _site.DrainAsync();
                await _site.PublishAsync();
            }
        }
        Assert.Equal(id, (await original.StatusAsync()).DeviceId);
        Assert.NotEqual(id, (await copy.StatusAsync()).DeviceId);
    }

    [Fact]
    public async Task A_device_that_was_recovered_is_known_by_the_first_nonce_that_it_tells()
    {
        var device = await _site.EnrolAsync();
        await _site.Context.Database.WriteAsync(async transaction =>
            await DeviceStore.RegisterNonceAsync(transaction, (await DeviceStore.FindAsync(transaction, device.Id.Value))!.Number, ""), CancellationToken.None);
        foreach (var nonce in new[] { "first", "second", "first" })
        {
            device.InstallNonce = nonce;
            await _site.TakeInAsync(device, device.Heartbeat());
        }
        var row = await _site.Context.Database.WriteAsync(transaction => DeviceStore.FindAsync(transaction, device.Id.Value), CancellationToken.None);
        Assert.Equal(("first", "[\"second\"]"), (row!.InstallNonce, row.Newcomers));
    }

    [Fact]
    public async Task A_client_that_was_set_back_to_a_snapshot_goes_on_as_who_it_is()
    {
        await using var client = new RealClient(_site, _time, "pc1", Uuid1);
        await client.InstallAsync(await TokenAsync(1));
        await RoundsAsync(3, client);
        var id = (await client.StatusAsync()).DeviceId;
        await client.CloseAsync();
        var snapshot = Path.Combine(_site.Directory, "snapshot");
        RealClient.Copy(client.Directory, snapshot);
        for (var restore = 0; restore < 3; restore++)
        {
            client.PackageVersion = $"2.{restore}";
            await client.OpenAsync();
            await RoundsAsync(2, client);
            await client.CloseAsync();
            RealClient.Copy(snapshot, client.Directory);
        }
        client.PackageVersion = "3.0";
        await client.OpenAsync();
        await RoundsAsync(4, client);

        var status = await client.StatusAsync();
        Assert.Equal((id, "approved"), (status.DeviceId, status.State));
        Assert.Equal(status.Sequence, (await _site.Get<DeviceStore>().DetailAsync(id, CancellationToken.None))!.Value.Summary.Sequence);
        Assert.Equal("3.0", await PackageAsync(id));
        var messages = await _site.Get<StatusStore>().ListAsync(null, null, null, 100, CancellationToken.None);
        Assert.DoesNotContain(messages, message => message.Code == "identity_shared");
        Assert.Contains(messages, message => message.Code == "chain_forked");
    }

    [Fact]
    public async Task A_disk_that_moves_to_another_machine_keeps_its_identity()
    {
        await using var before = new RealClient(_site, _time, "before", Uuid1);
        await before.InstallAsync(await TokenAsync(1));
        await RoundsAsync(3, before);
        var id = (await before.StatusAsync()).DeviceId;
        await before.CloseAsync();
        await using var after = new RealClient(_site, _time, "after", Uuid2);
        RealClient.Copy(before.Directory, after.Directory);
        await after.OpenAsync();
        await RoundsAsync(4, after);

        Assert.Equal(id, (await after.StatusAsync()).DeviceId);
        Assert.Equal("after", (await _site.Get<DeviceStore>().DetailAsync(id, CancellationToken.None))!.Value.Summary.HostName);
        Assert.Contains(await _site.Get<StatusStore>().ListAsync(null, null, null, 100, CancellationToken.None), message => message.Code == "machine_changed");
    }

    [Fact]
    public async Task Machines_that_are_made_from_one_image_with_an_installed_client_are_as_many_clients()
    {
        await using var image = new RealClient(_site, _time, "image", Uuid1);
        await image.InstallAsync(await TokenAsync(3));
        await image.CloseAsync();
        await using var second = new RealClient(_site, _time, "second", Uuid2);
        await using var third = new RealClient(_site, _time, "third", Uuid3);
        RealClient.Copy(image.Directory, second.Directory);
        RealClient.Copy(image.Directory, third.Directory);
        await second.OpenAsync();
        await third.OpenAsync();
        await image.OpenAsync();
        await RoundsAsync(4, second, third, image);

        var ids = new List<string>();
        foreach (var client in new[] { image, second, third })
        {
            var status = await client.StatusAsync();
            Assert.Equal("approved", status.State);
            ids.Add(status.DeviceId);
        }
        Assert.Equal(3, ids.Distinct().Count());
        Assert.Empty(await _site.QuarantineAsync());
    }

    [Fact]
    public async Task Nobody_becomes_a_client_by_naming_an_identity_that_was_not_told_to_be_given_up()
    {
        var device = await _site.EnrolAsync();
        using var thief = new FakeDevice(_site.Context, "thief");
        var former = FormerIdentity.Of(device.Key, "ABC", thief.Id, "nonce");
        await _site.TakeInAsync(thief, thief.Request(await _site.TokenAsync() with { Secret = "wrong" }, former));
        Assert.Equal("pending", (await _site.ClientAsync(thief)).State);
    }

    [Fact]
    public async Task A_good_token_counts_whatever_identity_is_named_beside_it()
    {
        var device = await _site.EnrolAsync();
        using var next = new FakeDevice(_site.Context, "next");
        var former = FormerIdentity.Of(device.Key, "ABC", next.Id, "nonce");
        await _site.TakeInAsync(next, next.Request(await _site.TokenAsync(), former));
        Assert.Equal("approved", (await _site.ClientAsync(next)).State);
    }

    [Fact]
    public async Task A_proof_holds_for_one_site_one_new_device_and_one_name()
    {
        var device = await _site.EnrolAsync();
        using var next = new FakeDevice(_site.Context, "next");
        using var other = new FakeDevice(_site.Context, "other");
        var former = FormerIdentity.Of(device.Key, "ABC", next.Id, "nonce");
        using var key = new Capstan.Protocol.Jose.VerifyingKey(Capstan.Protocol.Jose.Jwk.From(device.Key));
        using var foreign = new Capstan.Protocol.Jose.VerifyingKey(Capstan.Protocol.Jose.Jwk.From(other.Key));
        Assert.True(former.IsProven(key, "ABC", next.Id));
        Assert.False(former.IsProven(key, "ABD", next.Id));
        Assert.False(former.IsProven(key, "ABC", other.Id));
        Assert.False((former with { Speaker = "other" }).IsProven(key, "ABC", next.Id));
        Assert.False(former.IsProven(foreign, "ABC", next.Id));
        Assert.False((former with { Proof = "x.y.z" }).IsProven(key, "ABC", next.Id));
    }

    private async Task RoundsAsync(int rounds, params RealClient[] clients)
    {
        for (var round = 0; round < rounds; round++)
        {
            foreach (var client in clients)
            {
                await client.RunNowAsync();
                await _site.DrainAsync();
                await _site.PublishAsync();
            }
            _time.Advance(TimeSpan.FromHours(1));
        }
    }

    private async Task<string> TokenAsync(int uses) => (await _site.Get<TokenIssuer>().CreateAsync(new TokenRequest(uses, 86_400 * 30, "test"), CancellationToken.None)).Token;

    private async Task<string?> PackageAsync(string id)
    {
        var device = (await _site.Get<DeviceStore>().DetailAsync(id, CancellationToken.None))!.Value;
        return Assert.Single((await _site.Get<InventoryStore>().SoftwareAsync(device.Row.Number, CancellationToken.None))!.Value.Software.Packages).Version;
    }
}
