using System.Buffers.Binary;
using System.Diagnostics;
using System.Reflection;
using System.Text;
using Capstan.Smb;
using Capstan.Smb.Authentication;
using Capstan.Testing;

namespace Capstan.Tests.Smb.Authentication;

public sealed class NtlmMechanismTests
{
    private const string Password = "correct horse";

    private static readonly byte[] UsualChallenge =
        NtlmServer.Challenge(NtlmServer.AllFlags, NtlmServer.Text(2, "DOM"), NtlmServer.Text(1, "FS1"), NtlmServer.Time(133_000_000_000_000_000));

    [Theory]
    [InlineData("capa", "capa", "")]
    [InlineData(@"DOM\capa", "capa", "DOM")]
    [InlineData("capa@EXAMPLE.ORG", "capa@EXAMPLE.ORG", "")]
    [InlineData(@".\capa", "capa", "FS1")]
    public void A_server_that_knows_the_password_accepts_each_form_of_account(string account, string user, string domain)
    {
        using var mechanism = Begin(account);
        var negotiate = mechanism.Step([]);
        var authenticate = mechanism.Step(UsualChallenge);
        Assert.True(mechanism.IsComplete);
        Assert.Equal(user, NtlmServer.User(authenticate));
        Assert.Equal(domain, NtlmServer.Domain(authenticate));
        Assert.Equal(mechanism.SessionKey.ToArray(), NtlmServer.Accept(negotiate, UsualChallenge, authenticate, Password));
        Assert.Null(NtlmServer.Accept(negotiate, UsualChallenge, authenticate, Password + "!"));
    }

    [Fact]
    public void Negotiate_and_challenge_are_under_the_MIC()
    {
        using var mechanism = Begin("capa");
        var negotiate = mechanism.Step([]);
        var authenticate = mechanism.Step(UsualChallenge);
        foreach (var message in (byte[][])[negotiate, [.. UsualChallenge]])
        {
            message[^1] ^= 1;
            Assert.Null(NtlmServer.Accept(negotiate, ReferenceEquals(message, negotiate) ? UsualChallenge : message, authenticate, Password));
            message[^1] ^= 1;
        }

        Assert.NotNull(NtlmServer.Accept(negotiate, UsualChallenge, authenticate, Password));
    }

    [Fact]
    public void The_response_names_the_service_it_is_for_and_says_that_there_is_a_MIC()
    {
        using var mechanism = Begin("capa");
        mechanism.Step([]);
        var authenticate = mechanism.Step(UsualChallenge);
        var pairs = NtlmServer.Pairs(authenticate);
        Assert.Equal("cifs/fs1.example.org", Encoding.Unicode.GetString(pairs[9]));
        Assert.Equal([2, 0, 0, 0], pairs[6]);
        Assert.Equal(new byte[16], pairs[10]);
        Assert.Equal("FS1", Encoding.Unicode.GetString(pairs[1]));
        Assert.Equal(new byte[24], NtlmServer.LmResponse(authenticate));
    }

    [Fact]
    public void What_the_server_says_in_the_clients_place_is_not_repeated()
    {
        using var mechanism = Begin("capa");
        mechanism.Step([]);
        var challenge = NtlmServer.Challenge(NtlmServer.AllFlags, NtlmServer.Text(9, "cifs/elsewhere"), NtlmServer.Pair(10, new byte[16]), NtlmServer.Pair(6, 1, 0, 0, 0));
        var pairs = NtlmServer.Pairs(mechanism.Step(challenge));
        Assert.Equal("cifs/fs1.example.org", Encoding.Unicode.GetString(pairs[9]));
        Assert.Equal([3, 0, 0, 0], pairs[6]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_time_is_the_servers_where_it_has_one_and_else_ours(bool serverHasTime)
    {
        var time = new ManualTime();
        using var mechanism = Begin("capa", time);
        mechanism.Step([]);
        var authenticate = mechanism.Step(serverHasTime ? UsualChallenge : NtlmServer.Challenge(NtlmServer.AllFlags, NtlmServer.Text(1, "FS1")));
        var expected = serverHasTime ? 133_000_000_000_000_000 : time.GetUtcNow().ToFileTime();
        Assert.Equal(expected, BinaryPrimitives.ReadInt64LittleEndian(NtlmServer.NtResponse(authenticate).AsSpan(16 + 8)));
    }

    [Theory]
    [InlineData(NtlmFlags.Unicode)]
    [InlineData(NtlmFlags.ExtendedSessionSecurity)]
    [InlineData(NtlmFlags.TargetInfo)]
    [InlineData(NtlmFlags.Key128)]
    [InlineData(NtlmFlags.KeyExchange)]
    internal void A_server_that_cannot_do_version_2_gets_no_response_at_all(NtlmFlags missing)
    {
        using var mechanism = Begin("capa");
        mechanism.Step([]);
        var failure = Assert.Throws<SmbException>(() => mechanism.Step(NtlmServer.Challenge(NtlmServer.AllFlags & ~(uint)missing, NtlmServer.Text(1, "FS1"))));
        Assert.Equal(SmbFailure.Logon, failure.Failure);
        Assert.Contains(missing.ToString(), failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_anonymous_logon_names_nobody_and_has_no_key()
    {
        using var mechanism = new NtlmMechanism(new NtlmIdentity("", "", []), "fs1", "WS", NtlmNonces.Random(), new ManualTime());
        mechanism.Step([]);
        var authenticate = mechanism.Step(UsualChallenge);
        Assert.True(mechanism.IsComplete);
        Assert.False(mechanism.CanSign);
        Assert.True(mechanism.SessionKey.IsEmpty);
        Assert.Equal("", NtlmServer.User(authenticate));
        Assert.Equal([0], NtlmServer.LmResponse(authenticate));
        Assert.Empty(NtlmServer.NtResponse(authenticate));
        Assert.Equal((uint)NtlmFlags.Anonymous, NtlmServer.Flags(authenticate) & (uint)(NtlmFlags.Anonymous | NtlmFlags.KeyExchange));
    }

    [Theory]
    [InlineData("")]
    [InlineData(@"DOM\")]
    [InlineData(@"A\B\C")]
    public void What_is_no_account_is_refused_without_the_password_in_the_message(string account)
    {
        var e = Assert.ThrowsAny<ArgumentException>(() => new NtlmCredentials(account, Password));
        Assert.DoesNotContain(Password, e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Credentials_keep_no_password_that_anything_could_print()
    {
        var credentials = new NtlmCredentials(@"DOM\capa", Password);
        Assert.Equal(@"DOM\capa", credentials.ToString());
        Assert.Equal("{Account,nq}", typeof(NtlmCredentials).GetCustomAttribute<DebuggerDisplayAttribute>()!.Value);
        Assert.DoesNotContain(Reachable(credentials), value => value is string text && text.Contains(Password, StringComparison.Ordinal));
    }

    [Fact]
    public void Only_guest_and_anonymous_allow_a_session_without_a_user()
    {
        Assert.False(new NtlmCredentials("capa", Password).AllowsGuest);
        Assert.True(new GuestCredentials().AllowsGuest);
        Assert.True(new AnonymousCredentials().AllowsGuest);
        Assert.Equal("guest", new GuestCredentials().ToString());
        Assert.Equal("anonymous", new AnonymousCredentials().ToString());
    }

    /// <summary>Every object that fields lead to, inside this library.</summary>
    private static IEnumerable<object> Reachable(object root)
    {
        HashSet<object> seen = new(ReferenceEqualityComparer.Instance);
        Queue<object> left = new([root]);
        while (left.TryDequeue(out var at))
        {
            if (!seen.Add(at))
                continue;
            yield return at;
            if (at.GetType().Assembly != typeof(NtlmCredentials).Assembly)
                continue;
            for (var type = at.GetType(); type is not null; type = type.BaseType)
                foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public))
                    if (field.GetValue(at) is { } value)
                        left.Enqueue(value);
        }
    }

    private static NtlmMechanism Begin(string account, TimeProvider? time = null) =>
        new(NtlmIdentity.Of(account, Password), "fs1.example.org", "WS", NtlmNonces.Random(), time ?? new ManualTime());
}
