using System.Buffers.Text;
using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Tests.Golden;

namespace Capstan.Tests.Protocol.V1;

public sealed class EnrolmentTokenTests
{
    private static readonly string Text = Examples.EnrolmentToken.Encode();

    [Fact]
    public void A_token_survives_the_round_trip()
    {
        var back = EnrolmentToken.Decode(Text);
        Assert.Equal(Documents.EnrolmentToken.Encode(Examples.EnrolmentToken), Documents.EnrolmentToken.Encode(back));
        Assert.StartsWith("capstan1.", Text, StringComparison.Ordinal);
        Assert.DoesNotContain(Text, char.IsWhiteSpace);
    }

    [Fact]
    public void Blanks_and_line_ends_of_a_paste_are_forgiven()
    {
        Assert.Equal("ABC", EnrolmentToken.Decode($"  {Text}\r\n").SiteCode);
        Assert.Equal("ABC", EnrolmentToken.Decode(string.Join("\n ", Text.Chunk(72).Select(line => new string(line)))).SiteCode);
    }

    [Fact]
    public void Every_truncated_paste_is_told_as_such()
    {
        for (var length = 0; length < Text.Length; length++)
        {
            var refused = Assert.Throws<ProtocolException>(() => EnrolmentToken.Decode(Text[..length]));
            Assert.Equal(ProtocolError.Malformed, refused.Error);
            Assert.Contains("paste the whole line", refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Every_altered_character_is_noticed()
    {
        for (var i = 0; i < Text.Length; i++)
            Assert.Throws<ProtocolException>(() => EnrolmentToken.Decode(Text[..i] + (Text[i] == 'a' ? 'b' : 'a') + Text[(i + 1)..]));
    }

    [Fact]
    public void A_token_of_a_later_version_says_to_upgrade() =>
        Assert.Equal(ProtocolError.UnknownVersion, Assert.Throws<ProtocolException>(() => EnrolmentToken.Decode("capstan2.abc.defghi")).Error);

    [Theory]
    [InlineData("capstan.abc")]
    [InlineData("capstanx.abc")]
    [InlineData("hello")]
    [InlineData("capstan")]
    public void What_is_no_token_is_refused(string text) =>
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => EnrolmentToken.Decode(text)).Error);

    [Fact]
    public void All_problems_are_told_at_once_without_the_secret()
    {
        var json = """{"version":1,"siteCode":"CON","rootHash":"beef","rootVersion":0,"caps":[],"tokenId":"a b","secret":"TOPSECRET"}""";
        var refused = Assert.Throws<ProtocolException>(() => Documents.EnrolmentToken.Decode(Encoding.UTF8.GetBytes(json)));
        Assert.All((string[])["siteCode", "rootHash", "rootVersion", "caps", "tokenId", "secret"], member => Assert.Contains(member, refused.Message, StringComparison.Ordinal));
        Assert.DoesNotContain("TOPSECRET", refused.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Base64Url.EncodeToString("TOPSECRET"u8), refused.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_huge_text_is_refused_unread() =>
        Assert.Equal(ProtocolError.TooLarge, Assert.Throws<ProtocolException>(() => EnrolmentToken.Decode(new string(' ', EnrolmentToken.MaxCharacters + 1))).Error);
}
