using System.Text.Json;
using Capstan.Client.Identity;
using Capstan.Protocol.Jose;
using Capstan.Site.Api;
using Capstan.Site.Load;
using Capstan.Site.Status.Clients;
using Capstan.Site.Store;
using Capstan.Testing;

namespace Capstan.Tests.Site;

/// <summary>Orders to one client, with the client as it is delivered: a new sealing key, and a report about itself.</summary>
public sealed class ClientOrderTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private SiteHarness _site = null!;
    private RealClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _site = await SiteHarness.CreateAsync(_time);
        await _site.AddCapAsync();
        _client = new RealClient(_site, _time, "pc1");
        await _client.InstallAsync((await _site.TokenAsync()).Encode());
        await LiveAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _site.DisposeAsync();
    }

    [Fact]
    public async Task A_client_gets_a_new_sealing_key_and_keeps_its_identity()
    {
        var before = await SealingAsync();
        Assert.Equal(before, Own());
        await OrderAsync(DeviceOrder.Rekey);
        Assert.NotEqual(before, await SealingAsync());
        Assert.Equal(await SealingAsync(), Own());
        Assert.Equal(("rekey", "answered"), (await DiagnosisAsync()).Orders.Select(order => (order.Order, order.State)).Single());
        // A second one is another order.
        var first = Own();
        await OrderAsync(DeviceOrder.Rekey);
        Assert.NotEqual(first, Own());
        Assert.Equal(await SealingAsync(), Own());
        Assert.Empty(await _site.QuarantineAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_was_set_back_to_before_its_new_key_gets_along_with_the_old_one(bool wasApproved)
    {
        for (var i = 0; wasApproved && i < 2; i++)
            await LiveAsync();
        Assert.Equal(wasApproved ? "approved" : "installed", (await _client.StatusAsync()).State);
        await _client.CloseAsync();
        var snapshot = _client.Directory + "-snapshot";
        RealClient.Copy(_client.Directory, snapshot);
        await _client.OpenAsync();
        var old = Own();
        await OrderAsync(DeviceOrder.Rekey);
        Assert.NotEqual(old, Own());
        await _client.CloseAsync();
        RealClient.Copy(snapshot, _client.Directory);
        await _client.OpenAsync();
        for (var i = 0; i < 8; i++)
            await LiveAsync();
        Assert.Equal(await SealingAsync(), Own());
        Assert.Null((await _client.StatusAsync()).Waiting);
    }

    [Fact]
    public async Task A_client_that_is_asked_reports_what_it_knows_of_itself_and_no_secret()
    {
        Assert.Null((await DiagnosisAsync()).Report);
        await OrderAsync(DeviceOrder.Diagnose);
        var diagnosis = await DiagnosisAsync();
        Assert.Contains(diagnosis.Report!.Facts, fact => fact is { Name: "state", Value: "approved" });
        Assert.Contains(diagnosis.Report.Selection, line => line.Contains("used", StringComparison.Ordinal));
        Assert.Contains(diagnosis.Report.Log, line => line.Contains("acknowledged", StringComparison.Ordinal));
        Assert.Equal("answered", Assert.Single(diagnosis.Orders).State);
        Assert.Contains("capstan-client status", diagnosis.RunThere);
        Assert.DoesNotContain("capstan1.", JsonSerializer.Serialize(diagnosis, ApiJson.Default.ClientDiagnosis), StringComparison.Ordinal);
        Assert.Empty(diagnosis.Causes);
    }

    [Fact]
    public async Task Only_an_approved_client_is_given_orders()
    {
        var id = (await _client.StatusAsync()).DeviceId;
        await _site.Get<Enrolment>().RetireAsync(id, CancellationToken.None);
        Assert.False(await _site.Get<Enrolment>().OrderAsync(DeviceOrder.Rekey, id, CancellationToken.None));
    }

    private async Task OrderAsync(DeviceOrder order)
    {
        Assert.True(await _site.Get<Enrolment>().OrderAsync(order, (await _client.StatusAsync()).DeviceId, CancellationToken.None));
        for (var i = 0; i < 3; i++)
            await LiveAsync();
    }

    private async Task LiveAsync()
    {
        await _site.PublishAsync();
        _time.Advance(TimeSpan.FromMinutes(2));
        await _site.PublishAsync();
        await _client.StepAsync(1);
        await _client.SettleAsync();
        await _site.DrainAsync();
        _time.Advance(TimeSpan.FromMinutes(6));
        await _client.SettleAsync();
        await _site.DrainAsync();
    }

    private async Task<ClientDiagnosis> DiagnosisAsync() => await _site.Get<DiagnosisReader>().ReadAsync((await _client.StatusAsync()).DeviceId, CancellationToken.None);

    private async Task<Jwk> SealingAsync()
    {
        var id = (await _client.StatusAsync()).DeviceId;
        return await _site.Context.Database.WriteAsync(async transaction => JsonSerializer.Deserialize((await DeviceStore.FindAsync(transaction, id))!.SealingKey, StoreJson.Default.Jwk)!, CancellationToken.None);
    }

    private Jwk Own()
    {
        using var keys = DeviceKeys.Load(_client.Directory);
        return keys.SealingJwk;
    }
}
