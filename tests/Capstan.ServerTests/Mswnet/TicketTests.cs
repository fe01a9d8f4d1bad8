using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Mswnet;
using Capstan.ServerTests.Smb;
using Capstan.ServerTests.Up;

namespace Capstan.ServerTests.Mswnet;

/// <summary>Accounts that are a Kerberos ticket: used where somebody named them, and nowhere else.</summary>
[Collection(KerberosTestGroup.Name)]
public sealed class TicketTests(KerberosRealm realm)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("kerberos:")]
    [InlineData("kerberos:capa@LAB.EXAMPLE")]
    [InlineData("Kerberos:capa@LAB.EXAMPLE")]
    public async Task A_named_ticket_opens_the_share_as_its_owner(string account)
    {
        await using var samba = await StartSambaAsync();
        KerberosRealm.UseTicketHere(await realm.TicketAsync("capa"));
        var connection = await ConnectAsync(samba, Ticket(account));
        var store = await connection.OpenAsync(Share(samba), Cancel);
        await store.ReplaceAsync(StorePath.Parse("a"), new byte[] { 1 }, Cancel);
        Assert.Equal([1], await store.ReadAllAsync(StorePath.Parse("a"), 10, Cancel));
        Assert.Equal("capa", Assert.Single((await samba.StatusAsync()).Sessions).User);
        Assert.True(await connection.CloseAsync(Cancel));
    }

    [Theory]
    [InlineData("kerberos:")]
    [InlineData("kerberos:capb@LAB.EXAMPLE")]
    public async Task A_service_with_keys_of_its_own_needs_no_kinit(string account)
    {
        await using var samba = await StartSambaAsync();
        realm.UseKeysHere();
        try
        {
            var connection = await ConnectAsync(samba, Ticket(account));
            await connection.OpenAsync(Share(samba), Cancel);
            Assert.Equal("capb", Assert.Single((await samba.StatusAsync()).Sessions).User);
            Assert.True(await connection.CloseAsync(Cancel));
        }
        finally
        {
            KerberosRealm.UseNoKeysHere();
        }
    }

    [Fact]
    public async Task Without_an_account_the_ticket_at_hand_is_not_used()
    {
        await using var samba = await StartSambaAsync();
        KerberosRealm.UseTicketHere(await realm.TicketAsync("capa"));
        var thrown = await Assert.ThrowsAsync<NalException>(() => ConnectAsync(samba, account: null));
        Assert.Equal((NalError.Authenticate, Completion.NotSent), (thrown.Error, thrown.Completion));
        Assert.Contains("never tried in its place", thrown.Message, StringComparison.Ordinal);
        Assert.True((await samba.StatusAsync()).IsEmpty);
    }

    [Fact]
    public async Task The_ticket_of_another_and_no_ticket_at_all_are_told_with_the_next_step()
    {
        await using var samba = await StartSambaAsync();
        KerberosRealm.UseTicketHere(await realm.TicketAsync("capb"));
        foreach (var account in new[] { "kerberos:capa@LAB.EXAMPLE", "kerberos:" })
        {
            var thrown = await Assert.ThrowsAsync<NalException>(() => ConnectAsync(samba, Ticket(account)));
            Assert.Equal((NalError.Authenticate, Completion.NotSent, false), (thrown.Error, thrown.Completion, thrown.IsTransient));
            Assert.StartsWith($"account {account} was not tried at server localhost:{samba.Port}: there is no Kerberos ticket", thrown.Message, StringComparison.Ordinal);
            Assert.Contains("kinit gets one", thrown.Message, StringComparison.Ordinal);
            KerberosRealm.UseTicketHere("FILE:/nonexistent/krb5cc");
        }
        Assert.Empty(samba.FailedLogons());
    }

    [Fact]
    public async Task The_command_line_lists_a_share_with_the_ticket_of_its_environment()
    {
        await using var samba = await StartSambaAsync();
        await File.WriteAllTextAsync(Path.Combine(samba.FolderOf("cap"), "here"), "x", Cancel);
        using var directory = new TemporaryDirectory();
        var environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["KRB5_CONFIG"] = realm.Configuration, ["KRB5CCNAME"] = await realm.TicketAsync("capa") };
        var (code, output, errors) = await CapstanProcess.RunAsync(directory.Path, environment, "nal", "ls", Share(samba).ToUri(), "--account", "kerberos:");
        Assert.Equal((0, ""), (code, errors));
        Assert.Contains("here", output, StringComparison.Ordinal);

        environment["KRB5CCNAME"] = "FILE:/nonexistent/krb5cc";
        (code, output, errors) = await CapstanProcess.RunAsync(directory.Path, environment, "nal", "ls", Share(samba).ToUri(), "--account", "kerberos:");
        Assert.NotEqual(0, code);
        Assert.Contains("kinit gets one", output + errors, StringComparison.Ordinal);
    }

    private static NalPath Share(SambaServer samba) => NalPath.Parse(FormattableString.Invariant($"smb://{KerberosRealm.Host}:{samba.Port}/cap/"));

    private static ConnectionAccount Ticket(string name) => new(name, new Secret(""));

    private static async Task<IStorageConnection> ConnectAsync(SambaServer samba, ConnectionAccount? account) =>
        await new MswnetProvider(TimeProvider.System).ConnectAsync(new ConnectRequest(Share(samba), account, null), Cancel);

    private Task<SambaServer> StartSambaAsync() => SambaServer.StartAsync(new SambaSetup { Accounts = ["capa", "capb"], Global = realm.SambaParameters() });
}
