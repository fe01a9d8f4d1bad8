using Capstan.Client;
using Capstan.Client.Identity;
using Capstan.Client.State;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client.Identity;

/// <summary>A client that is told to make an identity of its own, interrupted and short of what it needs.</summary>
public sealed class SeparationTests : IAsyncLifetime
{
    private static readonly AccountSecret Account = new("capclient-1", "pw-first-1", "server:445");

    private readonly MemoryStore _cap = new(new ManualTime());
    private readonly ClientFixture _f;

    public SeparationTests() => _f = new ClientFixture(_cap, provider: "MSWNET");

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Fact]
    public async Task Accounts_that_the_policy_and_the_file_both_hold_are_one_each()
    {
        var id = await EnrolledAsync();
        // What a person brings to an approved client, and what an interrupted separation has written already.
        await _f.InstallAsync(_f.Site.Token(_f.CapPath, accounts: [Account, new AccountSecret("capclient-2", "pw-second-2", "server:445")]));

        await SeparateAsync();

        Assert.NotEqual(id, (await _f.StatusAsync()).DeviceId);
        Assert.Equal(2, _f.Site.Items(Documents.ConfigurationRequest).Count);
    }

    [Fact]
    public async Task More_accounts_than_one_document_holds_stop_no_separation()
    {
        var id = await EnrolledAsync();
        await _f.InstallAsync(_f.Site.Token(_f.CapPath, accounts: [.. Enumerable.Range(0, 16).Select(n => new AccountSecret($"other-{n}", "pw", "server:445"))]));
        Order(policy => policy with { Secrets = Sealed(policy, [.. Enumerable.Range(0, AccountSecret.MaxAccounts).Select(n => n == 0 ? Account : new AccountSecret($"more-{n}", "pw", "server:445"))]) });
        await PublishAsync();
        await LiveAsync();
        await _f.InstallAsync(_f.Site.Token(_f.CapPath, accounts: [.. Enumerable.Range(0, 16).Select(n => new AccountSecret($"other-{n}", "pw", "server:445"))]));

        await SeparateAsync();

        Assert.NotEqual(id, (await _f.StatusAsync()).DeviceId);
        Assert.Equal(2, _f.Site.Items(Documents.ConfigurationRequest).Count);
    }

    [Fact]
    public async Task An_installation_between_the_decision_and_its_end_keeps_the_decision()
    {
        await EnrolledAsync();
        await _f.CloseAsync();
        var next = Path.Combine(_f.Options.Directory, NewIdentity.Folder);
        await DeviceKeys.EnsureAsync(next, ClientFixture.Stop);
        string id;
        using (var keys = DeviceKeys.Load(next))
            id = keys.Id.Value;
        using (var database = ClientDatabase.Open(_f.Options.Directory))
            new ClientState(database).Set((StateKey.DeviceId, id), (StateKey.Lifecycle, "installed"), (StateKey.RequestWanted, "new-identity"));

        await _f.InstallAsync();

        await _f.OpenAsync();
        Assert.Equal(id, (await _f.StatusAsync()).DeviceId);
        Assert.False(Directory.Exists(next));
    }

    [Fact]
    public async Task Own_messages_come_with_it_and_nothing_more_is_written_under_the_former_identity()
    {
        var id = await EnrolledAsync();
        // Something that is reported while the CAP is not there.
        _f.Provider.Refuse = "is down";
        await _f.StepAsync(2);
        _f.Provider.Refuse = null;
        await SeparateAsync(drain: false);
        Assert.DoesNotContain(await _cap.FilesAsync(Layout.Inbox), file => file.Name.StartsWith(id, StringComparison.Ordinal));

        await _f.Site.DrainAsync(ClientFixture.Stop);
        await ApproveAsync(_f.Site.Items(Documents.ConfigurationRequest)[^1]);

        Assert.Equal((await _f.StatusAsync()).DeviceId, _f.Site.Applied.Last(upload => upload.Items.Any(item => item.Kind == ItemKind.Status)).DeviceId);
        Assert.Contains(_f.Site.Items(Documents.StatusMessage), message => message.Code == "cap_unreachable");
        Assert.Empty(_f.Site.Refused);
    }

    [Fact]
    public async Task A_forgotten_client_on_other_hardware_asks_without_a_token()
    {
        var id = await EnrolledAsync(uuid: "4c4c4544-0043-3010-8052-b4c04f564231");
        Assert.True(DeviceId.TryParse(id, out var device));
        _f.Site.Remove(Layout.PolicyTarget(device));
        _f.Site.GoBack(id, null);
        _f.Site.Restore();
        await PublishAsync();
        await _f.Site.WriteReceiptsAsync(ClientFixture.Stop);
        // It sees that it was forgotten, and is switched off.
        while ((await _f.StatusAsync()).State != "installed")
            _f.Time.Advance(await _f.Client!.Loop.StepAsync(ClientFixture.Stop));
        await _f.CloseAsync();
        _f.Hardware = _ => Hardware("0d3f6c1e-1f2e-4000-8000-000000000071");
        await _f.OpenAsync();
        await LiveAsync();

        var request = _f.Site.Items(Documents.ConfigurationRequest)[^1];
        Assert.Equal(ConfigurationRequest.NoToken, request.TokenId);
        Assert.NotEqual(id, _f.Site.Applied[^1].DeviceId);
        Assert.StartsWith("waiting for site ABC to approve", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_fails_at_every_contact_does_not_knock_every_minute()
    {
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.InstallAsync();
        await _f.OpenAsync();
        await File.WriteAllTextAsync(Path.Combine(_f.Options.Directory, DeviceKeys.Folder, EnrolmentSecret.FileName), "capstan1.e30.aaaaaa", ClientFixture.Stop);
        await _f.StepAsync(30);
        var before = _f.Provider.Opened;
        var end = _f.Time.GetUtcNow().AddHours(5);
        while (_f.Time.GetUtcNow() < end)
            await _f.StepAsync();
        Assert.Contains("enrolment token", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);
        // The pauses are drawn between 5 s and 15 min.
        Assert.InRange(_f.Provider.Opened - before, 20, 60);
    }

    private async Task<string> EnrolledAsync(string? uuid = null)
    {
        if (uuid is not null)
            _f.Hardware = _ => Hardware(uuid);
        _f.Provider.Accepts = "capclient-1/pw-first-1";
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.InstallAsync(_f.Site.Token(_f.CapPath, accounts: [Account]));
        await _f.OpenAsync();
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        await ApproveAsync(_f.Site.Items(Documents.ConfigurationRequest)[^1]);
        Assert.Equal("approved", (await _f.StatusAsync()).State);
        return (await _f.StatusAsync()).DeviceId;
    }

    private async Task ApproveAsync(ConfigurationRequest request)
    {
        _f.Site.SetPolicy(request, change: policy => policy with { Secrets = Sealed(policy, Account) });
        await PublishAsync();
        await LiveAsync();
    }

    /// <summary>The site tells this very machine to go, as it knows it; a policy without secrets leaves the accounts as they are.</summary>
    private async Task SeparateAsync(bool drain = true)
    {
        Order(policy => policy with { NewIdentity = [_f.Site.Applied[^1].InstallNonce] });
        await PublishAsync();
        await _f.StepAsync();
        await _f.SettleAsync();
        if (drain)
            await LiveAsync();
    }

    private void Order(Func<Policy, Policy> change) => _f.Site.SetPolicy(_f.Site.Items(Documents.ConfigurationRequest)[^1], change: change);

    private static string Sealed(Policy policy, params AccountSecret[] accounts) => PolicySecretsCodec.Seal(new PolicySecrets { Accounts = accounts }, policy.Certificate.SealingKey);

    private async Task PublishAsync()
    {
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop);
    }

    private async Task LiveAsync()
    {
        for (var i = 0; i < 4; i++)
        {
            await _f.StepAsync();
            await _f.SettleAsync();
            await _f.Site.DrainAsync(ClientFixture.Stop);
        }
    }

    private static HardwareInventory Hardware(string uuid) => ClientFixture.SampleHardware("host1") is var sample ? sample with { System = sample.System with { Uuid = uuid } } : sample;
}
