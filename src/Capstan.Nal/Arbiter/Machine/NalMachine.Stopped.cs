using Capstan.Nal.Arbiter.Accounts;

namespace Capstan.Nal.Arbiter.Machine;

/// <summary>An account that a server refused, and that this machine does not try there.</summary>
/// <param name="Cause">What the server said, for people.</param>
/// <param name="Tried">The last attempt, by the wall clock.</param>
public sealed record RefusedAccount(string Server, string Account, string Cause, DateTimeOffset Tried);

public sealed partial class NalMachine
{
    /// <summary>The accounts that this machine does not try any more, of all servers. Reads only.</summary>
    /// <exception cref="NalException"><see cref="NalError.ReadLocal"/>, or <see cref="NalError.AccessDenied"/>: they cannot be read.</exception>
    public IReadOnlyList<RefusedAccount> RefusedAccounts()
    {
        var root = Path.Combine(Journal, "Stopped");
        try
        {
            var stops = new StoppedAccounts(this);
            // No time is later than this one, so that nothing is written for a clock that was ahead.
            return !Directory.Exists(root) ? [] :
            [
                .. Directory.EnumerateDirectories(root).SelectMany(server => stops.Of(SlotFiles.Text(Path.GetFileName(server)), DateTimeOffset.MaxValue))
                    .Select(stop => new RefusedAccount(stop.Server, stop.Account, stop.Cause, stop.Tried)),
            ];
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new NalException(cause is IOException ? NalError.ReadLocal : NalError.AccessDenied, $"the stopped accounts in {root} cannot be read: {cause.Message}",
                root, Completion.NotSent, inner: cause);
        }
    }
}
