using Capstan.Client;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>How connection accounts come to a client: by the token, then by its policy, sealed.</summary>
public sealed class AccountTests : IAsyncLifetime
{
    private static readonly AccountSecret ByToken = new("capclient-1", "pw-first-1", "server:445"), ByPolicy = new("capclient-2", "pw-second-2", "server:445");

    private readonly ClientFixture _f = new(new MemoryStore(new ManualTime()), provider: "MSWNET");

    private string AccountFile => Path.Combine(_f.Options.Directory, "keys", "connection-accounts.json");

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Fact]
    public async Task The_tokens_accounts_open_the_door_until_the_policy_brings_the_sites_own()
    {
        await AskAsync();
        Assert.Equal(["capclient-1"], _f.Provider.Logons.Distinct());
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(AccountFile));
        await ApproveAsync(ByPolicy);
        Assert.False(File.Exists(AccountFile));
        Assert.DoesNotContain("pw-second-2", string.Concat(Directory.EnumerateFiles(_f.Options.Directory, "*", SearchOption.AllDirectories).Select(TextOf)), StringComparison.Ordinal);

        _f.Provider.Accepts = "capclient-2/pw-second-2";
        _f.Provider.Logons.Clear();
        await _f.StepAsync(2);
        Assert.Equal(["capclient-2"], _f.Provider.Logons.Distinct());
    }

    [Fact]
    public async Task Secrets_that_cannot_be_opened_are_reported_and_the_known_accounts_stay()
    {
        await AskAsync();
        await ApproveAsync(ByPolicy);
        SetPolicy(policy => policy with { Secrets = PolicySecretsCodec.Seal(new PolicySecrets { Accounts = [ByToken] }, FixedKeys.SiteSealing.Public) });
        await _f.Site.PublishAsync(ClientFixture.Stop);
        _f.Provider.Accepts = "capclient-2/pw-second-2";
        await _f.StepAsync(3);
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Contains(_f.Site.Items(Documents.StatusMessage), message => message.Code == "secrets_invalid");
        _f.Provider.Logons.Clear();
        await _f.StepAsync();
        Assert.Equal(["capclient-2"], _f.Provider.Logons.Distinct());
        // Without secrets a policy says nothing about accounts.
        SetPolicy(policy => policy);
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.StepAsync(2);
        Assert.Equal(["capclient-2"], _f.Provider.Logons.Distinct());
    }

    [Fact]
    public async Task An_approved_client_whose_account_is_gone_is_helped_by_another_token_while_it_runs()
    {
        await AskAsync();
        await ApproveAsync(ByPolicy);
        _f.Provider.Accepts = "capclient-3/third";
        await _f.StepAsync(2);
        Assert.Contains("account capclient-2 is not accepted", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);
        await _f.InstallAsync(_f.Site.Token(_f.CapPath, accounts: [new AccountSecret("capclient-3", "third")]));
        await _f.StepAsync(2);
        Assert.Null((await _f.StatusAsync()).Waiting);
    }

    [Fact]
    public async Task Accounts_that_came_are_confirmed_once_with_the_next_contact_and_make_none()
    {
        await AskAsync();
        await ApproveAsync(ByPolicy, revision: 7);
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal(7, _f.Site.Items(Documents.Heartbeat)[^1].AccountsRevision);
        var told = _f.Site.Items(Documents.Heartbeat).Count;

        // It sleeps; meanwhile another account came, and the old one still opens the door. A complete cycle would report by itself.
        _f.Time.Advance(TimeSpan.FromHours(6));
        _f.Provider.Accepts = "capclient-2/pw-second-2";
        SetPolicy(policy => policy with { Secrets = Seal(policy, 8, ByToken, ByPolicy) });
        await _f.Site.PublishAsync(ClientFixture.Stop);
        for (var i = 0; i < 10 && _f.Site.Items(Documents.Heartbeat)[^1].AccountsRevision != 8; i++)
        {
            await _f.StepAsync();
            await _f.Site.DrainAsync(ClientFixture.Stop);
        }
        Assert.Equal(8, _f.Site.Items(Documents.Heartbeat)[^1].AccountsRevision);
        Assert.Equal(told + 1, _f.Site.Items(Documents.Heartbeat).Count);
        for (var i = 0; i < 10; i++)
            await _f.StepAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal(told + 1, _f.Site.Items(Documents.Heartbeat).Count);
    }

    [Fact]
    public async Task Accounts_that_cannot_be_opened_are_not_confirmed()
    {
        await AskAsync();
        await ApproveAsync(ByPolicy, revision: 7);
        SetPolicy(policy => policy with { Secrets = PolicySecretsCodec.Seal(new PolicySecrets { Accounts = [ByToken], Revision = 8 }, FixedKeys.SiteSealing.Public) });
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.StepAsync(4);
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Contains(_f.Site.Items(Documents.StatusMessage), message => message.Code == "secrets_invalid");
        Assert.All(_f.Site.Items(Documents.Heartbeat), heartbeat => Assert.NotEqual(8, heartbeat.AccountsRevision));
    }

    [Fact]
    public async Task An_uninstalled_client_leaves_no_account_behind()
    {
        await AskAsync();
        await _f.CloseAsync();
        await CapstanClient.UninstallAsync(_f.Options, ClientFixture.Stop);
        Assert.False(Directory.Exists(_f.Options.Directory));
    }

    private async Task AskAsync()
    {
        _f.Provider.Accepts = "capclient-1/pw-first-1";
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.InstallAsync(_f.Site.Token(_f.CapPath, accounts: [ByToken]));
        await _f.OpenAsync();
        await _f.SettleAsync();
    }

    private async Task ApproveAsync(AccountSecret account, long? revision = null)
    {
        // The new account is made at the server before the site hands it out, and the old one stays for a while.
        _f.Provider.Accepts = null;
        await _f.Site.DrainAsync(ClientFixture.Stop);
        SetPolicy(policy => policy with { Secrets = Seal(policy, revision, account) });
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.StepAsync();
        await _f.SettleAsync();
        Assert.Equal("approved", (await _f.StatusAsync()).State);
    }

    private static string Seal(Policy policy, long? revision, params AccountSecret[] accounts) =>
        PolicySecretsCodec.Seal(new PolicySecrets { Accounts = accounts, Revision = revision }, policy.Certificate.SealingKey);

    private void SetPolicy(Func<Policy, Policy> change) => _f.Site.SetPolicy(_f.Site.Items(Documents.ConfigurationRequest)[^1], change: change);

    private static string TextOf(string file) => Path.GetFileName(file) == "lock" ? "" : System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(file));
}
