using System.Net;
using Capstan.Nal.Paths;
using Capstan.Smb;
using Capstan.Smb.Connection;

namespace Capstan.Nal.Providers.Mswnet;

/// <summary>What a server of shares says before anybody logs on: enough to tell name, port, dialect and clock.</summary>
/// <param name="Address">The one that was reached; null where it is not known.</param>
/// <param name="Dialect"><c>2.0.2</c>, <c>2.1</c>, <c>3.0</c>, <c>3.0.2</c> or <c>3.1.1</c>.</param>
/// <param name="Signing">The algorithm of signatures, which every session must have.</param>
/// <param name="Encryption">The algorithm; null where the server cannot encrypt.</param>
/// <param name="Ahead">How far the server's clock is ahead of this one; negative when behind, null where it does not tell. Wrong by the time of the answer at most.</param>
/// <param name="Elapsed">Name, TCP and NEGOTIATE together.</param>
public sealed record ServerGreeting(IPAddress? Address, string Dialect, string Signing, string? Encryption, TimeSpan? Ahead, TimeSpan Elapsed)
{
    /// <summary>Asks by a link of its own, which is closed before this returns. No session is made, so no licence is taken; a server that counts links counts one for a moment.</summary>
    /// <exception cref="NalException"><see cref="NalError.Connect"/>, or <see cref="NalError.ServerFull"/> for one that closes at once or is silent;
    /// <see cref="NalError.Resolve"/> for a path without such a server.</exception>
    public static async Task<ServerGreeting> AskAsync(NalPath path, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(time);
        if (path.Provider != "MSWNET" || path.Server is not { } server)
            throw new NalException(NalError.Resolve, $"{path} names no server of shares: only MSWNET paths do", path.ToString(), Completion.NotSent);
        var started = time.GetTimestamp();
        try
        {
            var connection = await SmbConnection.ConnectAsync(new SmbEndpoint(path.Root, path.Port ?? 445), SmbOptions.Default with { Time = time }, cancellationToken);
            await using (connection.ConfigureAwait(false))
            {
                var dialect = (int)connection.Dialect;
                return new ServerGreeting((connection.RemoteAddress as IPEndPoint)?.Address, (dialect & 0x0F) == 0 ? $"{dialect >> 8}.{(dialect >> 4) & 0x0F}" : $"{dialect >> 8}.{(dialect >> 4) & 0x0F}.{dialect & 0x0F}",
                    connection.Signing switch { SmbSigning.AesGmac => "AES-GMAC", SmbSigning.AesCmac => "AES-CMAC", _ => "HMAC-SHA-256" },
                    connection.Cipher switch
                    {
                        SmbCipher.Aes128Ccm => "AES-128-CCM",
                        SmbCipher.Aes128Gcm => "AES-128-GCM",
                        SmbCipher.Aes256Ccm => "AES-256-CCM",
                        SmbCipher.Aes256Gcm => "AES-256-GCM",
                        _ => null,
                    },
                    connection.ServerTime - time.GetUtcNow(), time.GetElapsedTime(started));
            }
        }
        catch (SmbException cause)
        {
            throw SmbErrors.Connecting(cause, server, account: "", path).Exception;
        }
    }
}
