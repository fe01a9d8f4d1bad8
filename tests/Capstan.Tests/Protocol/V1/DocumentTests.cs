using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Tests.Golden;

namespace Capstan.Tests.Protocol.V1;

public sealed class DocumentTests
{
    [Theory]
    [InlineData("ABC", true)]
    [InlineData("Z9Z", true)]
    [InlineData("000", true)]
    [InlineData("abc", false)]
    [InlineData("AB", false)]
    [InlineData("ABCD", false)]
    [InlineData("AÄC", false)]
    [InlineData("AUX", false)]
    [InlineData("CON", false)]
    [InlineData("NUL", false)]
    [InlineData("PRN", false)]
    [InlineData(null, false)]
    public void Site_codes_are_three_characters_and_no_device_name(string? code, bool valid) => Assert.Equal(valid, SiteCode.IsValid(code));

    [Fact]
    public void A_higher_version_says_to_upgrade_whatever_else_is_in_it()
    {
        var refused = Assert.Throws<ProtocolException>(() => Documents.Policy.Decode("""{"siteCode":7,"version":2,"who":"knows"}"""u8, "policy/x.json"));
        Assert.Equal(ProtocolError.UnknownVersion, refused.Error);
        Assert.Equal("policy/x.json", refused.Document);
        Assert.Contains("upgrade", refused.Message, StringComparison.Ordinal);
        Assert.Equal(ProtocolError.UnknownVersion, Assert.Throws<ProtocolException>(() => Documents.Policy.Decode("""{"version":99999999999999999999}"""u8)).Error);
    }

    [Fact]
    public void All_problems_are_told_at_once_and_no_value()
    {
        var heartbeat = Encoding.UTF8.GetString(Documents.StatusMessage.Encode(Examples.StatusMessage))
            .Replace("\"warning\"", "\"loud-secret\"", StringComparison.Ordinal)
            .Replace("\"policy_invalid\"", "\"bad code\"", StringComparison.Ordinal)
            .Replace("\"count\":3", "\"count\":0", StringComparison.Ordinal);
        var refused = Assert.Throws<ProtocolException>(() => Documents.StatusMessage.Decode(Encoding.UTF8.GetBytes(heartbeat)));
        Assert.Equal(ProtocolError.Malformed, refused.Error);
        Assert.All((string[])["severity", "code", "count"], member => Assert.Contains(member, refused.Message, StringComparison.Ordinal));
        Assert.DoesNotContain("loud-secret", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_problem_is_told_with_its_place()
    {
        var disk = Examples.HardwareInventory.Disks[0];
        var inventory = Examples.HardwareInventory with { Disks = [disk, disk with { Partitions = [new Partition("p", -1, null, null)] }] };
        var refused = Assert.Throws<ProtocolException>(() => Documents.HardwareInventory.Encode(inventory));
        Assert.Equal("hardware-inventory: disks[1].partitions[0].sizeBytes must not be below 0", refused.Message);
    }

    [Theory]
    [InlineData("fTOPSECRET")]
    [InlineData("{\"version\":1,\"siteCode\":f missing required properties TOPSECRET}")]
    [InlineData("{\"version\":\"TOPSECRET\"}")]
    [InlineData("{\"version\":1,\"siteCode\":\"TOPSECRET\",\"siteCode\":\"TOPSECRET\"}")]
    [InlineData("{\"version\":1,\"TOPSECRET\":\"\\uD800\",\"rootVersion\":\"TOPSECRET\"}")]
    public void What_cannot_be_read_is_not_repeated(string json)
    {
        var refused = Assert.Throws<ProtocolException>(() => Documents.EnrolmentToken.Decode(Encoding.UTF8.GetBytes(json)));
        Assert.DoesNotContain("TOPSECRET", refused.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"licensing\":\"per-server:20\"", "\"licensing\":\"per-core:4\"", "licensing")]
    [InlineData("\"licensing\":\"per-server:20\"", "\"licensing\":\"per-server:-1\"", "licensing")]
    [InlineData("\"licensing\":\"per-server:20\"", "\"licensing\":\"per-seat:999999999999\"", "licensing")]
    [InlineData("\"headroom\":4", "\"headroom\":20", "headroom")]
    [InlineData("\"headroom\":4", "\"headroom\":-4", "headroom")]
    [InlineData("\"meanHoldSeconds\":1.5", "\"meanHoldSeconds\":0", "meanHoldSeconds")]
    [InlineData("\"meanHoldSeconds\":1.5", "\"meanHoldSeconds\":1e300", "meanHoldSeconds")]
    [InlineData("\"pollIntervalSeconds\":600", "\"pollIntervalSeconds\":0", "pollIntervalSeconds")]
    [InlineData("\"pollIntervalSeconds\":600", "\"pollIntervalSeconds\":2678401", "pollIntervalSeconds")]
    public void A_CAP_list_with_a_term_that_nobody_can_mean_is_refused_as_a_whole(string good, string absurd, string member)
    {
        var list = Encoding.UTF8.GetString(Documents.CapList.Encode(Examples.CapList));
        Assert.Contains(good, list, StringComparison.Ordinal);
        var refused = Assert.Throws<ProtocolException>(() => Documents.CapList.Decode(Encoding.UTF8.GetBytes(list.Replace(good, absurd, StringComparison.Ordinal))));
        Assert.Contains($"caps[0].{member} ", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("per-server:20", LicensingKind.PerServer, 20)]
    [InlineData("per-seat:1", LicensingKind.PerSeat, 1)]
    [InlineData("per-server:99999999", LicensingKind.PerServer, 99_999_999)]
    [InlineData("per-server:100000000", LicensingKind.None, null)]
    [InlineData("per-server:020", LicensingKind.None, null)]
    [InlineData("per-seat:0", LicensingKind.None, null)]
    [InlineData("per-seat: 5", LicensingKind.None, null)]
    [InlineData("per-seat:5:5", LicensingKind.None, null)]
    [InlineData("Per-Seat:5", LicensingKind.None, null)]
    [InlineData("", LicensingKind.None, null)]
    public void A_licensing_mode_is_a_kind_and_its_limit_or_nothing(string text, LicensingKind kind, int? limit) =>
        Assert.Equal((kind, limit), (LicensingMode.Kind(text), LicensingMode.Limit(text)));

    [Fact]
    public void Missing_members_are_named()
    {
        var refused = Assert.Throws<ProtocolException>(() => Documents.Heartbeat.Decode("""{"version":1,"hostName":"x"}"""u8));
        Assert.All((string[])["operatingSystem", "clientVersion", "policyVersion"],
            member => Assert.Contains(member, refused.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void What_may_be_null_may_be_omitted_and_nothing_else()
    {
        var sparse = Encoding.UTF8.GetString(Documents.HardwareInventory.Encode(Examples.SparseHardwareInventory));
        Assert.DoesNotContain("null", sparse, StringComparison.Ordinal);
        var inventory = Documents.HardwareInventory.Decode(Encoding.UTF8.GetBytes(sparse));
        Assert.Null(inventory.System.Domain);
        Assert.Null(inventory.OperatingSystem.BootTime);
        Assert.Null(inventory.Bios);

        // Unknown is not empty: neither a size that was not told is 0, nor a list that was not told is empty.
        foreach (var member in (string[])["\"totalBytes\":1,", "\"disks\":[],", "\"evidence\":\"machine\",", "\"version\":1,"])
        {
            Assert.Contains(member, sparse, StringComparison.Ordinal);
            var refused = Assert.Throws<ProtocolException>(() => Documents.HardwareInventory.Decode(Encoding.UTF8.GetBytes(sparse.Replace(member, "", StringComparison.Ordinal))));
            Assert.Contains(member.Split('"')[1], refused.Message, StringComparison.Ordinal);
        }
        Assert.Throws<ProtocolException>(() => Documents.HardwareInventory.Decode(Encoding.UTF8.GetBytes(sparse.Replace("\"disks\":[]", "\"disks\":null", StringComparison.Ordinal))));
    }

    [Fact]
    public void Unknown_members_are_ignored()
    {
        var receipts = Documents.Receipts.Decode("""{"version":1,"siteCode":"ABC","epoch":1,"revision":1,"bin":"00","devices":[],"later":{"x":[1]}}"""u8);
        Assert.Equal(1, receipts.Revision);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("7")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("{} {}")]
    [InlineData("{\"version\":1,\"version\":1}")]
    [InlineData("{\"version\":\"1\"}")]
    [InlineData("{\"version\":null}")]
    [InlineData("{\"version\":0}")]
    [InlineData("\uFEFF{}")]
    [InlineData("{/* */}")]
    public void What_is_no_document_is_refused(string json) =>
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Documents.Receipts.Decode(Encoding.UTF8.GetBytes(json))).Error);

    [Fact]
    public void Duplicate_members_are_refused()
    {
        var json = Encoding.UTF8.GetString(Documents.Receipts.Encode(Examples.Receipts)).Replace("\"epoch\":1", "\"epoch\":1,\"epoch\":2", StringComparison.Ordinal);
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Documents.Receipts.Decode(Encoding.UTF8.GetBytes(json))).Error);
    }

    [Fact]
    public void Deep_nesting_is_refused()
    {
        var json = $$"""{"version":1,"later":{{new string('[', 100_000)}}""";
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Documents.SoftwareInventory.Decode(Encoding.UTF8.GetBytes(json))).Error);
    }

    [Fact]
    public void A_hostile_document_of_full_length_costs_little_memory()
    {
        var json = new byte[Documents.Upload.MaxBytes];
        json.AsSpan().Fill((byte)' ');
        """{"version":1,"items":[{"kind":"x","body":{"a":["""u8.CopyTo(json);
        for (var i = 64; i < 6_000_000; i += 2)
            "0,"u8.CopyTo(json.AsSpan(i));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(ProtocolError.TooLarge, Assert.Throws<ProtocolException>(() => Documents.Upload.Decode(json)).Error);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    [Fact]
    public void Lists_and_strings_are_bounded()
    {
        var package = new InstalledPackage("a", "1", null, null, null, "dpkg", null, null);
        Documents.SoftwareInventory.Encode(new SoftwareInventory { Packages = [.. Enumerable.Repeat(package, 100_000)] });
        Assert.Throws<ProtocolException>(() => Documents.SoftwareInventory.Encode(new SoftwareInventory { Packages = [.. Enumerable.Repeat(package, 100_001)] }));
        Assert.Throws<ProtocolException>(() => Documents.SoftwareInventory.Encode(new SoftwareInventory { Packages = [package with { Summary = new string('x', 4097) }] }));
        Assert.Throws<ProtocolException>(() => Documents.SoftwareInventory.Encode(new SoftwareInventory { Packages = [null!] }));
    }

    [Theory]
    [InlineData("\u0000\u0001\u001f\u007f\u0085")]
    [InlineData("quote \" backslash \\ blank")]
    [InlineData("\ud83d\ude80 日本 ÄÖÜ")]
    public void Strange_text_survives(string text)
    {
        var back = Documents.Heartbeat.Decode(Documents.Heartbeat.Encode(Examples.Heartbeat with { HostName = text }));
        Assert.Equal(text, back.HostName);
    }

    [Fact]
    public void A_lone_surrogate_is_written_as_the_replacement_character_and_never_read()
    {
        var json = Documents.Heartbeat.Encode(Examples.Heartbeat with { HostName = "a\ud800b" });
        Assert.Equal("a\ufffdb", Documents.Heartbeat.Decode(json).HostName);
        var hostile = Encoding.UTF8.GetString(json).Replace("\"a\\uFFFDb\"", "\"a\\uD800b\"", StringComparison.Ordinal);
        Assert.Contains("\\uD800", hostile, StringComparison.Ordinal);
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Documents.Heartbeat.Decode(Encoding.UTF8.GetBytes(hostile))).Error);
    }

    [Fact]
    public void Ill_formed_UTF_8_is_refused()
    {
        var json = Documents.Heartbeat.Encode(Examples.Heartbeat with { HostName = "~~" });
        json[json.AsSpan().IndexOf("~~"u8)] = 0xff;
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Documents.Heartbeat.Decode(json)).Error);
    }

    [Fact]
    public void Every_prefix_and_flipped_bit_of_a_policy_is_refused_or_still_a_policy()
    {
        var json = Documents.Policy.Encode(Examples.Policy);
        for (var length = 0; length < json.Length; length++)
            Assert.Throws<ProtocolException>(() => Documents.Policy.Decode(json.AsSpan(0, length)));
        for (var bit = 0; bit < json.Length * 8; bit++)
        {
            var flipped = json.ToArray();
            flipped[bit / 8] ^= (byte)(1 << bit % 8);
            Fuzz(flipped);
        }

        static void Fuzz(byte[] data) => Testing.Fuzz.PolicyFuzz.Fuzz(data);
    }

    [Fact]
    public void A_policy_binds_device_id_and_keys()
    {
        var certificate = Examples.Policy.Certificate with { SigningKey = FixedKeys.SiteReceipts.Public };
        Assert.Throws<ProtocolException>(() => Documents.Policy.Encode(Examples.Policy with { Certificate = certificate }));
        Assert.Throws<ProtocolException>(() => Documents.Policy.Encode(Examples.Policy with { DeviceId = new string('a', 32) }));
        Assert.Throws<ProtocolException>(() => Documents.Policy.Encode(Examples.Policy with { State = "maybe" }));
    }

    [Theory]
    [InlineData("per-server:20", true)]
    [InlineData("per-seat:1", true)]
    [InlineData(null, true)]
    [InlineData("per-server:0", false)]
    [InlineData("per-server:", false)]
    [InlineData("per-server:-1", false)]
    [InlineData("per-moon:5", false)]
    [InlineData("per-server:9999999999", false)]
    public void Licensing_is_a_mode_and_a_number(string? licensing, bool valid)
    {
        var list = new CapList { SiteCode = "ABC", Caps = [new CapEntry { Path = "x", Licensing = licensing }] };
        if (valid)
            Documents.CapList.Encode(list);
        else
            Assert.Throws<ProtocolException>(() => Documents.CapList.Encode(list));
    }
}
