using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Tests.Golden;

namespace Capstan.Tests.Protocol.V1;

public sealed class SecretsTests
{
    [Fact]
    public void Secrets_reach_their_device_and_no_other()
    {
        using var device = FixedKeys.DeviceSealing.Sealing();
        using var other = FixedKeys.SiteSealing.Sealing();
        var text = PolicySecretsCodec.Seal(Examples.PolicySecrets, FixedKeys.DeviceSealing.Public);
        Assert.Equal(Examples.PolicySecrets.Accounts, PolicySecretsCodec.Open(text, device).Accounts);
        Assert.Equal(ProtocolError.CannotOpen, Assert.Throws<ProtocolException>(() => PolicySecretsCodec.Open(text, other)).Error);
    }

    [Fact]
    public void No_secret_is_printed()
    {
        Assert.DoesNotContain(Examples.EnrolmentToken.Secret, Examples.EnrolmentToken.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Examples.EnrolmentToken.Secret, Examples.ConfigurationRequest.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("password", Examples.PolicySecrets.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("not", Examples.PolicySecrets.Accounts[0].ToString(), StringComparison.Ordinal);
        Assert.Contains("capclient-2", Examples.PolicySecrets.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Accounts_have_different_names()
    {
        var account = new AccountSecret("a", "x");
        Assert.Throws<ProtocolException>(() => Documents.PolicySecrets.Encode(new PolicySecrets { Accounts = [account, account with { Name = "A" }] }));
    }

    [Fact]
    public void One_name_may_be_known_to_several_servers()
    {
        IReadOnlyList<AccountSecret> accounts = [new AccountSecret("a", "x", "fs1:445"), new AccountSecret("a", "y", "fs2:445")];
        Assert.Equal(accounts, Documents.PolicySecrets.Decode(Documents.PolicySecrets.Encode(new PolicySecrets { Accounts = accounts })).Accounts);
        Assert.Throws<ProtocolException>(() => Documents.PolicySecrets.Encode(new PolicySecrets { Accounts = [.. accounts, accounts[0] with { Password = "z" }] }));
    }

    [Fact]
    public void A_token_carries_the_accounts_and_prints_none()
    {
        IReadOnlyList<AccountSecret> accounts = [new AccountSecret("capclient-1", "made up", "fs1:445"), new AccountSecret("capclient-2", "made up, too")];
        var token = Examples.EnrolmentToken with { Accounts = accounts };
        Assert.Equal(accounts, EnrolmentToken.Decode(token.Encode()).Accounts);
        Assert.Null(EnrolmentToken.Decode(Examples.EnrolmentToken.Encode()).Accounts);
        Assert.DoesNotContain("made up", token.ToString(), StringComparison.Ordinal);
        Assert.Throws<ProtocolException>(() => (token with { Accounts = [accounts[0], accounts[0]] }).Encode());
    }
}
