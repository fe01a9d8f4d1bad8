using Capstan.Smb;
using Capstan.Smb.Authentication;

namespace Capstan.ServerTests.Smb;

/// <summary>Dialects, signing and encryption against a real server; Wireshark judges what was sent, the server what it holds.</summary>
public sealed class ProtectionTests(SharedSamba shared) : IClassFixture<SharedSamba>
{
    private static readonly SmbOptions Unencrypted = SmbOptions.Default with { Encryption = SmbEncryption.OnDemand };

    [Theory]
    [InlineData("SMB2_02", SmbDialect.Smb202, "HMAC-SHA256", "-")]
    [InlineData("SMB2_10", SmbDialect.Smb210, "HMAC-SHA256", "-")]
    [InlineData("SMB3_00", SmbDialect.Smb300, "AES-128-CMAC", "-")]
    [InlineData("SMB3_02", SmbDialect.Smb302, "AES-128-CMAC", "-")]
    [InlineData("SMB3_11", SmbDialect.Smb311, "AES-128-GMAC", "-")]
    [InlineData("SMB3_00", SmbDialect.Smb300, "AES-128-CMAC", "AES-128-CCM")]
    [InlineData("SMB3_02", SmbDialect.Smb302, "AES-128-CMAC", "AES-128-CCM")]
    [InlineData("SMB3_11", SmbDialect.Smb311, "AES-128-GMAC", "AES-128-GCM")]
    public async Task A_whole_session_at_the_highest_dialect_of_the_server(string highest, SmbDialect dialect, string signing, string cipher)
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Global = { ["server max protocol"] = highest } });
        await using var capture = await FrameCapture.StartAsync(samba.Port);
        var options = SmbOptions.Default with { Encryption = cipher == "-" ? SmbEncryption.OnDemand : SmbEncryption.Required };
        await using (var client = await Client.OpenAsync(samba, options: options))
        {
            Assert.Equal(dialect, client.Connection.Dialect);
            Assert.True(client.Session.IsSigned);
            Assert.Equal(cipher != "-", client.Session.IsEncrypted);
            await Exercise.AllAsync(client.Tree);
            var status = await samba.StatusAsync();
            var session = Assert.Single(status.Sessions);
            Assert.Equal((highest, "capa", signing), (session.Dialect, session.User, session.Signing));
            Assert.Equal(cipher, session.Cipher);
            Assert.Equal("cap", Assert.Single(status.Trees).Share);
            Assert.Empty(status.OpenFiles);
        }
        await samba.StatusAsync(status => status.IsEmpty);
        Assert.Empty(await capture.MalformedRequestsAsync());
        var commands = await capture.RequestsAsync("smb2", "smb2.cmd");
        // Encrypted commands are hidden: only NEGOTIATE and SESSION_SETUP are seen.
        Assert.Equal(cipher != "-", !commands.Any(line => line.Split('\t')[0].Split(',').Contains("5")));
    }

    [Theory]
    [InlineData(SmbDialect.Smb202)]
    [InlineData(SmbDialect.Smb210)]
    [InlineData(SmbDialect.Smb300)]
    [InlineData(SmbDialect.Smb302)]
    [InlineData(SmbDialect.Smb311)]
    public async Task A_client_that_offers_less_gets_less(SmbDialect most)
    {
        var samba = await shared.ServerAsync();
        await using var client = await Client.OpenAsync(samba, options: SmbOptions.Default with { Most = most });
        Assert.Equal(most, client.Connection.Dialect);
        await Exercise.AllAsync(client.Tree);
    }

    [Theory]
    [InlineData(SmbCipher.Aes128Gcm, "AES-128-GCM")]
    [InlineData(SmbCipher.Aes256Gcm, "AES-256-GCM")]
    [InlineData(SmbCipher.Aes128Ccm, "AES-128-CCM")]
    [InlineData(SmbCipher.Aes256Ccm, "AES-256-CCM")]
    public async Task Each_cipher_that_both_know_is_used(SmbCipher cipher, string name)
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Global = { ["server smb3 encryption algorithms"] = name } });
        await using var client = await Client.OpenAsync(samba, options: SmbOptions.Default with { Encryption = SmbEncryption.Required });
        Assert.Equal(cipher, client.Connection.Cipher);
        await Exercise.AllAsync(client.Tree);
        var session = Assert.Single((await samba.StatusAsync()).Sessions);
        // "Full" is what Samba calls a session that it forced to be encrypted itself.
        Assert.Equal((name, "partial"), (session.Cipher, session.EncryptionDegree));
    }

    [Theory]
    [InlineData("AES-128-GMAC", SmbSigning.AesGmac)]
    [InlineData("AES-128-CMAC", SmbSigning.AesCmac)]
    public async Task Each_signature_that_both_know_is_used(string name, SmbSigning signing)
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Global = { ["server smb3 signing algorithms"] = name } });
        await using var client = await Client.OpenAsync(samba, options: Unencrypted);
        Assert.Equal(signing, client.Connection.Signing);
        await Exercise.AllAsync(client.Tree);
        Assert.Equal(name, Assert.Single((await samba.StatusAsync()).Sessions).Signing);
    }

    [Theory]
    [InlineData("SMB2_10")]
    [InlineData("SMB3_02")]
    [InlineData("SMB3_11")]
    public async Task Plain_is_possible_where_both_allow_it(string highest)
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Global = { ["server max protocol"] = highest } });
        await using var client = await Client.OpenAsync(samba, options: Unencrypted with { RequireSigning = false });
        Assert.False(client.Session.IsSigned);
        await Exercise.AllAsync(client.Tree);
    }

    [Theory]
    [InlineData("SMB2_10")]
    [InlineData("SMB3_11")]
    public async Task A_server_that_demands_signatures_gets_them(string highest)
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Global = { ["server max protocol"] = highest, ["server signing"] = "mandatory" } });
        await using var client = await Client.OpenAsync(samba, options: Unencrypted with { RequireSigning = false });
        Assert.True(client.Session.IsSigned);
        await Exercise.AllAsync(client.Tree);
    }

    [Fact]
    public async Task A_share_that_demands_encryption_gets_it_and_its_neighbour_does_not()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new("cap"), new("enc", ("server smb encrypt", "required"))] });
        await using var client = await Client.OpenAsync(samba, "enc", options: Unencrypted);
        Assert.False(client.Session.IsEncrypted);
        Assert.True(client.Tree.IsEncrypted);
        await Exercise.AllAsync(client.Tree);
        var plain = await client.Session.ConnectTreeAsync("cap", default);
        Assert.False(plain.IsEncrypted);
        await Exercise.AllAsync(plain);
    }

    [Theory]
    [InlineData("SMB3_00")]
    [InlineData("SMB3_11")]
    public async Task A_server_that_demands_encryption_gets_it(string highest)
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Global = { ["server max protocol"] = highest, ["server smb encrypt"] = "required" } });
        await using var client = await Client.OpenAsync(samba, options: Unencrypted);
        Assert.True(client.Session.IsEncrypted);
        await Exercise.AllAsync(client.Tree);
    }

    [Theory]
    [InlineData("server smb encrypt", "off")]
    [InlineData("server max protocol", "SMB2_10")]
    public async Task A_server_that_cannot_encrypt_is_refused_when_encryption_is_required(string parameter, string value)
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Global = { [parameter] = value } });
        var failure = await Client.FailureAsync(() => Client.OpenAsync(samba, options: SmbOptions.Default with { Encryption = SmbEncryption.Required }));
        Assert.Equal(SmbFailure.Unsupported, failure.Failure);
        Assert.Contains("encrypt", failure.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(samba.Logons());
    }

    [Fact]
    public async Task A_server_with_SMB_1_alone_is_refused_and_named()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Global = { ["server min protocol"] = "NT1", ["server max protocol"] = "NT1" } });
        var failure = await Client.FailureAsync(() => Client.OpenAsync(samba));
        // Such a server closes on the first word of SMB 2, as a full one does: one word of SMB 1 tells them apart.
        Assert.Equal(SmbFailure.Unsupported, failure.Failure);
        Assert.Contains("SMB 1 alone", failure.Message, StringComparison.Ordinal);
        Assert.Empty(samba.Logons());
    }

    [Fact]
    public async Task A_server_whose_lowest_dialect_is_too_high_is_refused()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Global = { ["server min protocol"] = "SMB3_11" } });
        var failure = await Client.FailureAsync(() => Client.OpenAsync(samba, options: SmbOptions.Default with { Most = SmbDialect.Smb302 }));
        Assert.Equal(SmbFailure.Unsupported, failure.Failure);
        Assert.Equal(NtStatus.NotSupported, failure.Status);
    }

    [Fact]
    public async Task A_guest_is_refused_unless_asked_for()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Global = { ["map to guest"] = "bad user" }, Shares = [new("cap", ("guest ok", "yes"))] });
        await using var connection = await Client.ConnectAsync(samba);
        var failure = await Client.FailureAsync(async () => await connection.LogOnAsync(new NtlmCredentials("nobody-here", "x"), 0, default));
        Assert.Equal(SmbFailure.Logon, failure.Failure);
        Assert.Contains("guest", failure.Message, StringComparison.Ordinal);
        Assert.Empty((await samba.StatusAsync()).Sessions);
        await using var asked = await Client.ConnectAsync(samba, Unencrypted with { RequireSigning = false });
        var session = await asked.LogOnAsync(new GuestCredentials(), 0, default);
        Assert.True(session.IsGuest);
        Assert.False(session.IsEncrypted);
        await Exercise.AllAsync(await session.ConnectTreeAsync("cap", default));
    }
}
