using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Protocol.Tuf;

public sealed class CanonicalJsonTests
{
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, WriteIndented = true };

    [Theory]
    [InlineData("""{"b":1,"a":2}""", """{"a":2,"b":1}""")]
    [InlineData(""" [ 1 , -2, true,null , "" ] """, """[1,-2,true,null,""]""")]
    [InlineData("""{"":{},"a":[]}""", """{"":{},"a":[]}""")]
    [InlineData("""["\u00e9\/\"\\"]""", "[\"é/\\\"\\\\\"]")]
    [InlineData("""["a\nb\tc"]""", "[\"a\nb\tc\"]")]
    [InlineData("9007199254740991", "9007199254740991")]
    [InlineData("{\"\U00010000\":1,\"\uE000\":2}", "{\"\uE000\":2,\"\U00010000\":1}")]
    public void Canonical_form(string json, string expected) => Assert.Equal(expected, Canonical(json));

    [Theory]
    [InlineData("1.0")]
    [InlineData("1e2")]
    [InlineData("-0")]
    [InlineData("9007199254740992")]
    [InlineData("123456789012345678901234567890")]
    [InlineData("""{"a":1,"a":2}""")]
    [InlineData("""{"a":1,"\u0061":2}""")]
    [InlineData("\"\\ud800\"")]
    [InlineData("{\"\\ud800\":1}")]
    [InlineData("{} {}")]
    [InlineData("[1,]")]
    [InlineData("/*c*/1")]
    [InlineData("")]
    public void Refused(string json) =>
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Canonical(json)).Error);

    [Fact]
    public void Bytes_that_are_no_utf8_and_depth_bombs_are_refused()
    {
        Assert.Throws<ProtocolException>(() => CanonicalJson.Parse(new byte[] { (byte)'"', 0xff, (byte)'"' }, "test"));
        Assert.Throws<ProtocolException>(() => Canonical(new string('[', 33) + new string(']', 33)));
        Assert.Equal(64, Canonical(new string('[', 32) + new string(']', 32)).Length);
    }

    [Fact]
    public void The_form_does_not_depend_on_escapes_blanks_or_the_order_of_members() =>
        Prop.ForAll<string[], int>((names, number) =>
        {
            var members = names.Where(name => name is not null).Select(name => string.Concat(name.Where(c => !char.IsSurrogate(c))))
                .Distinct(StringComparer.Ordinal).ToDictionary(name => name, name => (object)new object[] { number, name, true });
            var reversed = members.Reverse().ToDictionary(member => member.Key, member => member.Value);
            return Canonical(JsonSerializer.Serialize(members)) == Canonical(JsonSerializer.Serialize(reversed, Relaxed));
        }).QuickCheckThrowOnFailure();

    private static string Canonical(string json)
    {
        using var parsed = CanonicalJson.Parse(Encoding.UTF8.GetBytes(json), "test");
        return Encoding.UTF8.GetString(CanonicalJson.Encode(parsed.RootElement));
    }
}
