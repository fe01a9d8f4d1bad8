using Capstan.Protocol;
using Capstan.Protocol.Jose;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Protocol.Jose;

public sealed class Base64UrlTests
{
    [Fact]
    public void Bytes_survive_the_round_trip() =>
        Prop.ForAll<byte[]>(bytes => StrictBase64Url.TryDecode(StrictBase64Url.Encode(bytes), out var back) && back.AsSpan().SequenceEqual(bytes)).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("Zg==")]
    [InlineData("Zg=")]
    [InlineData("Zm9v ")]
    [InlineData("Zm\n9v")]
    [InlineData("Zm9v+A")]
    [InlineData("Zm9v/A")]
    [InlineData("Z")]
    [InlineData("Zm9vé")]
    public void Text_that_is_not_canonical_is_refused(string text)
    {
        Assert.False(StrictBase64Url.TryDecode(text, out _));
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => StrictBase64Url.Decode(text, "it")).Error);
    }

    [Fact]
    public void Each_value_has_exactly_one_text()
    {
        const string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        var pairs = (from a in alphabet from b in alphabet select $"{a}{b}").Count(text => StrictBase64Url.TryDecode(text, out _));
        var triples = (from a in alphabet from b in alphabet select $"A{a}{b}").Count(text => StrictBase64Url.TryDecode(text, out _));
        Assert.Equal(256, pairs);
        Assert.Equal(64 * 16, triples);
    }
}
