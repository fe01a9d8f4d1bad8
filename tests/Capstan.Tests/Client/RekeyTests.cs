using Capstan.Client.Identity;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>A new sealing key by order: made once, announced, taken when the policy holds it, and the one before kept for what is sealed to it alone.</summary>
public sealed class RekeyTests : IAsyncLifetime
{
    private readonly ClientFixture _f = new(new MemoryStore(new ManualTime()));

    private string Keys => Path.Combine(_f.Options.Directory, DeviceKeys.Folder);

    public async ValueTask InitializeAsync() => await _f.EnrolAsync();

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Fact]
    public async Task An_order_makes_one_key_which_the_client_uses_once_its_policy_holds_it()
    {
        var before = Request.SealingKey;
        await PublishAsync(policy => policy with { Rekey = 10 });
        var told = Assert.Single(Told());
        Assert.Equal(10, told.Order);
        Assert.NotEqual(before, told.SealingKey);
        Assert.Equal((before, told.SealingKey), Present());
        await PublishAsync(policy => Holding(policy, told.SealingKey) with { Rekey = 10 });
        Assert.Equal((told.SealingKey, null), Present());
        Assert.Single(Told());
        Assert.Null((await _f.StatusAsync()).Waiting);
    }

    [Fact]
    public async Task An_order_that_comes_again_before_that_is_answered_with_the_same_key_and_an_old_one_not_at_all()
    {
        await PublishAsync(policy => policy with { Rekey = 10 });
        await PublishAsync(policy => policy with { Rekey = 9 });
        await PublishAsync(policy => policy with { Rekey = 11 });
        Assert.Equal([10, 11], Told().Select(told => told.Order));
        Assert.Single(Told().Select(told => told.SealingKey).Distinct());
        var key = Told()[0].SealingKey;
        await PublishAsync(policy => Holding(policy, key) with { Rekey = 12 });
        // The first change is over, and another begins.
        Assert.Equal(3, Told().Count);
        Assert.NotEqual(key, Told()[2].SealingKey);
        Assert.Equal(key, Present().Sealing);
    }

    [Fact]
    public async Task What_is_sealed_to_either_key_is_opened_meanwhile_and_the_old_key_goes_when_nothing_needs_it()
    {
        var old = Request.SealingKey;
        await PublishAsync(policy => policy with { Rekey = 10, Secrets = Sealed("one", old) });
        var key = Assert.Single(Told()).SealingKey;
        // The site says nothing of accounts for a while: those that are known stay, and so does the key that opens them.
        await PublishAsync(policy => Holding(policy, key));
        Assert.Equal(key, Present().Sealing);
        Assert.True(File.Exists(Path.Combine(Keys, DeviceKeys.FormerFile)));
        await RestartAsync();
        Assert.Null((await _f.StatusAsync()).Waiting);
        await PublishAsync(policy => Holding(policy, key) with { Secrets = Sealed("two", key) });
        Assert.False(File.Exists(Path.Combine(Keys, DeviceKeys.FormerFile)));
        Assert.DoesNotContain(_f.Site.Items(Documents.StatusMessage), message => message.Code == "secrets_invalid");
    }

    [Fact]
    public async Task A_client_that_ends_after_any_step_goes_on_with_the_next()
    {
        // Killed between the file and the announcement: the key that is there is announced.
        await _f.CloseAsync();
        await DeviceKeys.EnsureNextAsync(_f.Options.Directory, ClientFixture.Stop);
        await _f.OpenAsync();
        var made = Present().Next;
        await PublishAsync(policy => policy with { Rekey = 10, Secrets = Sealed("one", policy.Certificate.SealingKey) });
        Assert.Equal(made, Assert.Single(Told()).SealingKey);
        await RestartAsync();
        Assert.Single(Told());
        // Killed between the two renames.
        await PublishAsync(policy => Holding(policy, made!));
        await _f.CloseAsync();
        File.Move(Path.Combine(Keys, DeviceKeys.SealingFile), Path.Combine(Keys, DeviceKeys.NextFile));
        await _f.OpenAsync();
        Assert.Equal((made, null), Present());
        await PublishAsync(policy => Holding(policy, made!) with { Secrets = Sealed("two", made!) });
        Assert.Null((await _f.StatusAsync()).Waiting);
        Assert.False(File.Exists(Path.Combine(Keys, DeviceKeys.FormerFile)));
    }

    [Fact]
    public async Task A_client_to_which_the_site_seals_with_a_key_that_it_has_not_says_which_one_it_has()
    {
        using var lost = System.Security.Cryptography.ECDiffieHellman.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        await PublishAsync(policy => Holding(policy, Jwk.From(lost)) with { Rekey = 10 });
        await LiveAsync();
        Assert.Equal(Request.SealingKey, Assert.Single(Told()).SealingKey);
        Assert.Contains("set back", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);
        await PublishAsync(policy => policy);
        Assert.Null((await _f.StatusAsync()).Waiting);
    }

    /// <summary>It was copied or set back, and yet hears what its site says to it: that it is retired, or one of two.</summary>
    [Fact]
    public async Task A_policy_that_is_sealed_to_another_key_is_followed_but_for_its_secrets()
    {
        await PublishAsync(policy => policy with { Secrets = Sealed("one", policy.Certificate.SealingKey) });
        using var lost = System.Security.Cryptography.ECDiffieHellman.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        await PublishAsync(policy => Holding(policy, Jwk.From(lost)) with { Resync = 7, Secrets = Sealed("two", Jwk.From(lost)) });
        await LiveAsync();
        Assert.Equal(2, _f.Site.Items(Documents.HardwareInventory).Count);
        Assert.DoesNotContain(_f.Site.Items(Documents.StatusMessage), message => message.Code == "secrets_invalid");
        await PublishAsync(policy => Holding(policy, Jwk.From(lost)) with { State = "retired" });
        Assert.Equal("retired", (await _f.StatusAsync()).State);
    }

    [Fact]
    public async Task A_copy_that_does_not_have_the_sealing_key_is_told_to_make_an_identity_of_its_own()
    {
        var before = (await _f.StatusAsync()).DeviceId;
        using var lost = System.Security.Cryptography.ECDiffieHellman.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        var speaker = _f.Site.Applied[^1].Instance!;
        await PublishAsync(policy => Holding(policy, Jwk.From(lost)) with { NewIdentity = [speaker] });
        await LiveAsync();
        Assert.NotEqual(before, (await _f.StatusAsync()).DeviceId);
    }

    [Fact]
    public async Task A_new_sealing_key_leaves_the_machine_its_earlier_starts()
    {
        await RestartAsync();
        await PublishAsync(policy => policy with { Rekey = 10 });
        await PublishAsync(policy => Holding(policy, Told()[0].SealingKey) with { Resync = 1 });
        var records = _f.Site.Applied;
        Assert.NotNull(records[^1].PreviousInstance);
        Assert.Equal(records[^2].PreviousInstance, records[^1].PreviousInstance);
    }

    [Fact]
    public async Task Uninstalling_in_the_middle_leaves_nothing()
    {
        await PublishAsync(policy => policy with { Rekey = 10 });
        await _f.CloseAsync();
        await Capstan.Client.CapstanClient.UninstallAsync(_f.Options, ClientFixture.Stop);
        Assert.False(Directory.Exists(_f.Options.Directory));
    }

    private ConfigurationRequest Request => _f.Site.Items(Documents.ConfigurationRequest)[^1];

    private IReadOnlyList<SealingKeyChange> Told() => _f.Site.Items(Documents.SealingKeyChange);

    private (Jwk Sealing, Jwk? Next) Present()
    {
        using var keys = DeviceKeys.Load(_f.Options.Directory);
        return (keys.SealingJwk, keys.NextJwk);
    }

    private static Policy Holding(Policy policy, Jwk key) => policy with { Certificate = policy.Certificate with { SealingKey = key } };

    private static string Sealed(string account, Jwk key) => PolicySecretsCodec.Seal(new PolicySecrets { Accounts = [new AccountSecret(account, "password")] }, key);

    private async Task RestartAsync()
    {
        await _f.CloseAsync();
        await _f.OpenAsync();
        await LiveAsync();
    }

    private async Task PublishAsync(Func<Policy, Policy> change)
    {
        _f.Site.SetPolicy(Request, change: change);
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop, force: true);
        await LiveAsync();
    }

    private async Task LiveAsync()
    {
        for (var i = 0; i < 3; i++)
        {
            await _f.StepAsync();
            await _f.SettleAsync();
            await _f.Site.DrainAsync(ClientFixture.Stop);
        }
    }
}
