using Capstan.Smb;
using Capstan.Smb.Authentication;
using Capstan.Smb.Connection;
using Capstan.Testing.Smb;

namespace Capstan.ServerTests.Smb;

/// <summary>Logons with a ticket: this library over MIT's krb5, against a KDC and a Samba that have one key in common.</summary>
[Collection(KerberosTestGroup.Name)]
public sealed class KerberosTests(KerberosRealm realm)
{
    private const string Capa = $"capa@{KerberosRealm.Name}";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(SmbDialect.Smb210, SmbEncryption.OnDemand)]
    [InlineData(SmbDialect.Smb302, SmbEncryption.Required)]
    [InlineData(SmbDialect.Smb311, SmbEncryption.OnDemand)]
    [InlineData(SmbDialect.Smb311, SmbEncryption.Required)]
    public async Task Samba_takes_a_ticket_and_both_sides_have_the_same_key(SmbDialect dialect, SmbEncryption encryption)
    {
        await using var samba = await StartSambaAsync();
        // A cipher of 256 bit: it takes the whole of the key, which is longer than NTLM's.
        var options = new SmbOptions { Most = dialect, Encryption = encryption, Ciphers = dialect == SmbDialect.Smb311 ? [SmbCipher.Aes256Gcm] : [SmbCipher.Aes128Ccm] };
        await using var connection = await SmbConnection.ConnectAsync(new SmbEndpoint(KerberosRealm.Host, samba.Port), options, Cancel);
        var session = await connection.LogOnAsync(KerberosCredentials.FromCache(Capa, await realm.TicketAsync("capa")), 0, Cancel);

        // Samba signed its answer, and takes no request that is not signed or encrypted with the same key.
        await session.ConnectTreeAsync("cap", Cancel);
        Assert.Equal(encryption == SmbEncryption.Required, session.IsEncrypted);
        Assert.False(session.IsGuest);
        var held = Assert.Single((await samba.StatusAsync()).Sessions);
        Assert.Equal("capa", held.User);
        Assert.True((await session.LogOffAsync(Cancel)).IsConfirmed);
    }

    [Fact]
    public async Task An_answer_changed_on_its_way_is_no_proof_of_the_server()
    {
        await using var samba = await StartSambaAsync();
        await using var proxy = new FaultProxy(samba.Port, TimeProvider.System) { Answers = Faults.Flip(SmbCommand.SessionSetup.Code, 1) };
        var failure = await RefusedAsync(proxy.Port, await realm.TicketAsync("capa"));
        Assert.Equal(SmbFailure.Tampered, failure.Failure);
    }

    [Fact]
    public async Task Whatever_comes_in_place_of_the_servers_proof_proves_nothing()
    {
        var cache = await realm.TicketAsync("capa");
        var random = new Random(20261122);
        for (var i = 0; i < 50; i++)
        {
            using var context = KerberosCredentials.FromCache(Capa, cache).Begin(KerberosRealm.Host);
            Assert.NotEmpty(context.Next([]));
            var proof = new byte[random.Next(200)];
            random.NextBytes(proof);
            Assert.Equal(SmbFailure.Tampered, Assert.Throws<SmbException>(() => context.Finish(SpnegoToken.WriteResp(proof, []))).Failure);
            Assert.True(context.SessionKey.IsEmpty);
        }
    }

    [Fact]
    public async Task A_ticket_of_another_account_is_not_used_for_this_one()
    {
        var credentials = KerberosCredentials.FromCache(Capa, await realm.TicketAsync("capb"));
        var failure = Assert.Throws<SmbException>(() => credentials.Begin(KerberosRealm.Host));
        Assert.Equal(SmbFailure.Logon, failure.Failure);
        Assert.Contains(Capa, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_ticket_is_a_logon_that_was_not_made_and_names_cache_and_next_step()
    {
        var failure = Assert.Throws<SmbException>(() => KerberosCredentials.FromCache(Capa, "FILE:/nonexistent/krb5cc").Begin(KerberosRealm.Host));
        Assert.Equal((SmbFailure.Logon, SmbCompletion.NotSent), (failure.Failure, failure.Completion));
        Assert.Contains("FILE:/nonexistent/krb5cc", failure.Message, StringComparison.Ordinal);
        Assert.Contains("kinit", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_that_the_realm_does_not_know_is_named()
    {
        using var context = KerberosCredentials.FromCache(Capa, await realm.TicketAsync("capa")).Begin("fs9.lab.example");
        var failure = Assert.Throws<SmbException>(() => context.Next([]));
        Assert.Equal(SmbFailure.Logon, failure.Failure);
        Assert.Contains("cifs/fs9.lab.example", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_dead_KDC_is_a_logon_that_was_not_made()
    {
        var other = new KerberosRealm();
        try
        {
            await other.InitializeAsync();
            var cache = await other.TicketAsync("capa");
            await other.KillAsync();
            using var context = KerberosCredentials.FromCache(Capa, cache).Begin(KerberosRealm.Host);
            var failure = Assert.Throws<SmbException>(() => context.Next([]));
            Assert.Equal(SmbFailure.Logon, failure.Failure);
            Assert.Contains("KDC", failure.Message, StringComparison.Ordinal);
        }
        finally
        {
            realm.UseHere();
            await other.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_server_without_the_realms_key_refuses_with_its_own_words()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Accounts = ["capa"] });
        var failure = await RefusedAsync(samba.Port, await realm.TicketAsync("capa"));
        Assert.Equal(SmbFailure.Logon, failure.Failure);
        Assert.Contains("NTLM", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void This_machine_can_do_Kerberos()
    {
        Assert.True(KerberosCredentials.IsAvailable(out var why));
        Assert.Empty(why);
    }

    private Task<SambaServer> StartSambaAsync() => SambaServer.StartAsync(new SambaSetup { Accounts = ["capa"], Global = realm.SambaParameters() });

    private static async Task<SmbException> RefusedAsync(int port, string cache)
    {
        await using var connection = await SmbConnection.ConnectAsync(new SmbEndpoint(KerberosRealm.Host, port), SmbOptions.Default, Cancel);
        return await Assert.ThrowsAsync<SmbException>(async () => await connection.LogOnAsync(KerberosCredentials.FromCache(Capa, cache), 0, Cancel));
    }
}
