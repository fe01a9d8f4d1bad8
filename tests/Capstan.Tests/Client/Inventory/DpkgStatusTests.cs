using System.Text;
using Capstan.Client.Inventory;

namespace Capstan.Tests.Client.Inventory;

public sealed class DpkgStatusTests
{
    private static List<DpkgStatus.Entry> Parse(string text, bool statusRequired = true) => DpkgStatus.Parse(Encoding.UTF8.GetBytes(text), statusRequired);

    [Theory]
    [InlineData("three")]
    [InlineData("crlf")]
    public void Installed_packages_are_listed_and_leftover_configuration_is_not(string file) =>
        Assert.Equal(
            [
                new DpkgStatus.Entry("libc6", "2.36-9+deb12u10", "amd64", "GNU Libc Maintainers <debian-glibc@lists.debian.org>", 12989L * 1024, "GNU C Library: Shared libraries", true),
                new DpkgStatus.Entry("held", "1:2.0~rc1-1", "all", "Zoë <zoe@example.org>", null, "held back", false),
            ],
            DpkgStatus.Parse(Samples.CorpusFile("DpkgStatus", file), statusRequired: true));

    [Fact]
    public void A_package_in_any_other_state_is_not_installed()
    {
        foreach (var state in (string[])["not-installed", "config-files", "half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"])
        {
            Assert.Empty(Parse($"Package: a\nStatus: install ok {state}\nVersion: 1\n"));
        }
    }

    [Fact]
    public void A_fragment_without_a_status_is_installed_on_distroless_images_only()
    {
        const string Stanza = "Package: tzdata\nVersion: 2025b\n";
        Assert.Equal("tzdata", Assert.Single(Parse(Stanza, statusRequired: false)).Name);
        Assert.Empty(Parse(Stanza));
    }

    [Fact]
    public void A_last_stanza_without_a_newline_counts() =>
        Assert.Equal("1", Assert.Single(DpkgStatus.Parse(Samples.CorpusFile("DpkgStatus", "no-newline"), statusRequired: true)).Version);

    [Fact]
    public void Field_names_are_compared_without_case_and_the_first_counts() =>
        Assert.Equal("1", Assert.Single(Parse("PACKAGE: a\nstatus: install ok installed\nversion: 1\nVersion: 2\n")).Version);
}
