using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Protocol;

public sealed class InstallFileTests
{
    private static readonly DateTimeOffset s_expires = new(2026, 11, 29, 13, 15, 0, TimeSpan.Zero);

    private static EnrolmentToken Token { get; } = new()
    {
        SiteCode = "ABC",
        RootHash = new string('a', 64),
        RootVersion = 1,
        Caps = [@"LOCAL:\\srv\cap\"],
        TokenId = "t1",
        Secret = new string('A', 43),
    };

    [Fact]
    public void The_token_comes_out_as_it_went_in_and_people_are_told_what_it_is()
    {
        var text = InstallFile.Encode(Token.Encode() + "\n", s_expires, 20);
        Assert.Equal(Token.Encode(), InstallFile.TokenIn(text));
        Assert.StartsWith("# Capstan install file 1\n# A SECRET: until 2026-11-29 13:15 UTC it makes 20 machines a client of site ABC.\n", text, StringComparison.Ordinal);
        Assert.EndsWith(Token.Encode() + "\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Accounts_in_it_are_said()
    {
        var text = InstallFile.Encode((Token with { Accounts = [new AccountSecret("cap", "pw", "fs1")] }).Encode(), s_expires, 1);
        Assert.Contains("it makes 1 machine a client of site ABC, and holds the accounts that open its client access points.", text, StringComparison.Ordinal);
        Assert.DoesNotContain("pw", text.Split("capstan1.")[0], StringComparison.Ordinal);
    }

    /// <summary>Editors of Windows and mails change line ends; a token alone is good, too.</summary>
    [Fact]
    public void Line_ends_do_not_matter_and_a_token_alone_is_one()
    {
        Assert.Equal(Token.Encode(), InstallFile.TokenIn(InstallFile.Encode(Token.Encode(), s_expires, 1).ReplaceLineEndings("\r\n")));
        Assert.Equal(Token.Encode(), InstallFile.TokenIn($"  {Token.Encode()}\n"));
        Assert.Equal("", InstallFile.TokenIn(""));
    }

    /// <summary>An image for several sites carries the files of all of them in one.</summary>
    [Fact]
    public void Several_stay_on_lines_of_their_own()
    {
        var one = InstallFile.Encode(Token.Encode(), s_expires, 1);
        Assert.Equal($"{Token.Encode()}\n{Token.Encode()}", InstallFile.TokenIn(one + one));
    }

    [Theory]
    [InlineData("# Capstan install file 2\ncapstan2.x")]
    [InlineData("# Capstan install file \n")]
    public void A_later_form_is_refused_by_name(string text) =>
        Assert.Equal(ProtocolError.UnknownVersion, Assert.Throws<ProtocolException>(() => InstallFile.TokenIn(text)).Error);

    [Fact]
    public void What_is_no_token_is_not_written() => Assert.Throws<ProtocolException>(() => InstallFile.Encode("capstan1.secret", s_expires, 1));
}
