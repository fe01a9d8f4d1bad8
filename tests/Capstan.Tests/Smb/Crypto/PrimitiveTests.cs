using System.Text;
using Capstan.Smb.Crypto;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Smb.Crypto;

public sealed class PrimitiveTests
{
    [Theory]
    // RFC 1320 A.5
    [InlineData("", "31d6cfe0d16ae931b73c59d7e0c089c0")]
    [InlineData("a", "bde52cb31de33e46245e05fbdbd6fb24")]
    [InlineData("abc", "a448017aaf21d8525fc10ae87aa6729d")]
    [InlineData("message digest", "d9130a8164549fe818874806e1c7014b")]
    [InlineData("abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9")]
    [InlineData("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "043f8582f241db351ce627e153e7f0e4")]
    [InlineData("12345678901234567890123456789012345678901234567890123456789012345678901234567890", "e33b4ddc9c38f2199c3e7b164fcc0536")]
    public void Md4_gives_the_hashes_of_RFC_1320(string text, string hash)
    {
        var found = new byte[Md4.HashBytes];
        Md4.HashData(Encoding.ASCII.GetBytes(text), found);
        Assert.Equal(hash, Convert.ToHexStringLower(found));
    }

    [Theory]
    // RFC 6229 section 2: the key stream at 0
    [InlineData("0102030405", "b2396305f03dc027ccc3524a0a1118a86982944f18fc82d589c403a47a0d0919")]
    [InlineData("01020304050607", "293f02d47f37c9b633f2af5285feb46b")]
    [InlineData("0102030405060708", "97ab8a1bf0afb96132f2f67258da15a8")]
    [InlineData("0102030405060708090a", "ede3b04643e586cc907dc21851709902")]
    [InlineData("0102030405060708090a0b0c0d0e0f10", "9ac7cc9a609d1ef7b2932899cde41b97")]
    public void Rc4_gives_the_key_streams_of_RFC_6229(string key, string stream) =>
        Assert.Equal(stream, Convert.ToHexStringLower(Rc4.Once(Convert.FromHexString(key), new byte[stream.Length / 2])));

    [Fact]
    public void Rc4_keeps_its_place_however_the_message_is_cut() =>
        Prop.ForAll<NonEmptyArray<byte>, byte[], byte[]>((key, first, second) =>
        {
            using var cipher = new Rc4(key.Get);
            byte[] both = [.. first, .. second];
            var whole = Rc4.Once(key.Get, both);
            cipher.Transform(first, both.AsSpan(0, first.Length));
            cipher.Transform(second, both.AsSpan(first.Length));
            return both.AsSpan().SequenceEqual(whole);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Rc4_takes_no_key_that_it_cannot_use()
    {
        Assert.Throws<ArgumentException>(() => new Rc4([]));
        Assert.Throws<ArgumentException>(() => new Rc4(new byte[257]));
    }
}
