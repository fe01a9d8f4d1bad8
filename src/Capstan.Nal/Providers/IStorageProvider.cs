using Capstan.Nal.Paths;

namespace Capstan.Nal.Providers;

/// <summary>Speaks one kind of storage. Opens connections when the arbiter says so, and never on its own.</summary>
public interface IStorageProvider
{
    /// <summary>The provider's name in a classic NAL path: <c>LOCAL</c>, <c>MSWNET</c>, <c>NWBIND</c>.</summary>
    string Name { get; }

    /// <summary>What a server counts: the canonical <c>host:port</c>, lower case. Null when the storage counts nobody (LOCAL needs no slot).</summary>
    string? ServerOf(NalPath path);

    /// <summary>Opens one connection. The caller owns it.</summary>
    /// <exception cref="NalException">With <see cref="NalError.Connect"/>, <see cref="NalError.Authenticate"/> or <see cref="NalError.ServerFull"/>.</exception>
    ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken);
}

/// <param name="Path">A path on the server.</param>
/// <param name="Account">The connection account; null where the storage has none (LOCAL), or where none is known for this server. It is then the
/// provider's to say that it needs one: the process's own user is never tried in its place.</param>
/// <param name="Previous">A ghost's session to end at logon; null for none.</param>
public sealed record ConnectRequest(NalPath Path, ConnectionAccount? Account, PreviousSession? Previous);

/// <summary>A session of this machine, under the same account, that the server may still count.</summary>
/// <param name="Server">Which server gave the id; null where it told no identity. To another server the id is not sent.</param>
/// <param name="LocalAddress">This machine's address of then, as the server told it; null where it did not.</param>
public sealed record PreviousSession(ulong Id, Guid? Server, string? LocalAddress = null);

/// <summary>Who answered.</summary>
/// <param name="Id">The server's own identity; null where it tells none.</param>
/// <param name="Address">The address that was reached; null where it is not known.</param>
/// <param name="LocalAddress">This machine's address, as the server tells it; null where it does not.</param>
public sealed record ServerIdentity(Guid? Id, string? Address, string? LocalAddress = null);

/// <summary>Credentials for reaching a server. They open storage and give no other right.</summary>
/// <param name="Name">As the server knows it: <c>user</c>, <c>DOMAIN\user</c> or <c>user@realm</c>; under MSWNET also <c>kerberos:…</c>, a ticket of this process, with an
/// empty password. Names that differ in letter case only are the same.</param>
public sealed record ConnectionAccount(string Name, Secret Password);

/// <summary>A secret that no log, debugger display or interpolation prints.</summary>
public sealed class Secret(string value)
{
    /// <summary>The text itself: only where a protocol needs it.</summary>
    public string Reveal() => value;
    public override string ToString() => "(secret)";
}

/// <summary>An authenticated session with one server under one account: what a server counts and licenses.</summary>
public interface IStorageConnection
{
    /// <summary>The server's session id, for the journal; null where there is none.</summary>
    ulong? SessionId { get; }

    /// <summary>Who answered; null (the default) where nobody does.</summary>
    ServerIdentity? Identity => null;

    /// <summary>Completes, with the cause, when the connection is over although nobody closed it; it is never granted again then. Never fails.</summary>
    /// <value>Null (the default) for storage whose connections cannot break. A connection that is being closed need not complete it.</value>
    Task<NalException>? Broken => null;

    /// <summary>A store rooted at <paramref name="path"/>, which must be on this connection's server.</summary>
    /// <exception cref="NalException"><see cref="NalError.NotFound"/> when the root is not there, <see cref="NalError.AccessDenied"/>.</exception>
    ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken);

    /// <summary>Ends the session and waits for the server's answer. True only when the close was confirmed.</summary>
    ValueTask<bool> CloseAsync(CancellationToken cancellationToken);
}
