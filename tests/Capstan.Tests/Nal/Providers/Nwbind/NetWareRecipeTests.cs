using Capstan.Nal.Paths;
using Capstan.Site.Publish;

namespace Capstan.Tests.Nal.Providers.Nwbind;

public sealed class NetWareRecipeTests
{
    [Fact]
    public void The_rights_of_a_volume_are_given_by_the_servers_own_command()
    {
        var recipe = CapText.Recipe(NalPath.Parse(@"NWBIND:[""SMS_SITE=ABC""]\\SERVER\VOL1\CAP_ABC\"), ["SITE"], ["CLIENTS"]);
        Assert.Contains(@"  RIGHTS VOL1:CAP_ABC R W C E M F /NAME=SITE", recipe);
        Assert.Contains(@"  RIGHTS VOL1:CAP_ABC\inbox C /NAME=CLIENTS", recipe);
        Assert.DoesNotContain(recipe, line => line.Contains("Samba", StringComparison.Ordinal) || line.Contains("icacls", StringComparison.Ordinal));
        Assert.StartsWith("The clients use the site's account SITE", CapText.Recipe(NalPath.Parse("ncp://server/vol1/cap_abc/"), ["SITE"])[0], StringComparison.Ordinal);
    }
}
