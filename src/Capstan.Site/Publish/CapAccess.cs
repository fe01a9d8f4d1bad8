using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Site.Publish;

/// <summary>The site's way to a CAP: one lease for one piece of work.</summary>
internal sealed class CapAccess(ConnectionArbiter arbiter)
{
    /// <exception cref="NalException">Also for a full server, as <see cref="NalError.ServerFull"/>.</exception>
    public async Task<T> UseAsync<T>(NalPath path, string component, Func<IStore, Task<T>> work, CancellationToken cancellationToken)
    {
        var result = await arbiter.AcquireAsync(path, new LeasePurpose(component), cancellationToken);
        if (!result.TryGetLease(out var lease, out var refusal))
            throw new NalException(NalError.ServerFull, refusal.Reason, path.ToString(), isTransient: true);
        await using (lease)
            return await work(lease.Store);
    }

    /// <summary>As <see cref="UseAsync{T}"/>; a LOCAL folder that is gone is made again when its parent is there.</summary>
    /// <remarks>A missing parent is left alone: it may be a file system that is not mounted.</remarks>
    public async Task<T> UseOrMakeAsync<T>(NalPath path, string component, Func<IStore, Task<T>> work, Action made, CancellationToken cancellationToken)
    {
        if (path.LocalDirectory is { } directory && !Directory.Exists(directory) && Directory.Exists(Path.GetDirectoryName(directory.TrimEnd('/'))))
        {
            try
            {
                Directory.CreateDirectory(directory);
            }
            catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
            {
                throw new NalException(NalError.AccessDenied, $"The folder {directory} cannot be made: {cause.Message} Make it by hand, owned by this user.", path.ToString(), inner: cause);
            }
            made();
        }
        return await UseAsync(path, component, work, cancellationToken);
    }
}
