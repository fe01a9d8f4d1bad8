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
}
