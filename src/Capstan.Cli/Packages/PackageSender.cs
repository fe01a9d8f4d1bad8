using System.Security.Cryptography;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Packages;

/// <summary>Sends one source to the site, looks meanwhile how that goes there, and knows why it ended: a refusal in the middle of a body breaks the connection on which it is answered.</summary>
/// <param name="say">Gets a line for people when something keeps it waiting.</param>
internal sealed class PackageSender(ApiClient api, TimeProvider time, Action<string> say)
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(2);

    /// <param name="name">Of a new package; null for the next version of one.</param>
    /// <param name="package">Which one, by id or name; null for a new one.</param>
    /// <exception cref="ApiException">The site refused, with its cause.</exception>
    /// <exception cref="CliException">The source failed while it was read.</exception>
    public async Task<PackageVersionRow> SendAsync(string? name, string? package, PackageSource files, CancellationToken cancellationToken)
    {
        var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        using var archive = new PackageArchive(files);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var sent = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var looking = LookAsync(id, stop, sent.Token);
        try
        {
            return name is not null ? await api.CreatePackageAsync(name, archive, id, stop.Token) : await api.AddPackageVersionAsync(package!, archive, id, stop.Token);
        }
        catch (HttpRequestException cause) when (Own(cause) is { } own)
        {
            throw new CliException(own.Message, own.ExitCode, cause);
        }
        catch (Exception cause) when (cause is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            if (await OutcomeAsync(id, cancellationToken) is { } made)
                return made;
            throw;
        }
        finally
        {
            await sent.CancelAsync();
            await looking;
        }
    }

    /// <summary>Looks until the end; a refusal ends the sending of what nobody reads any more.</summary>
    private async Task LookAsync(string id, CancellationTokenSource stop, CancellationToken cancellationToken)
    {
        string? said = null;
        while (!cancellationToken.IsCancellationRequested)
        {
            await Task.Delay(LookInterval, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cancellationToken.IsCancellationRequested || await FindAsync(id, cancellationToken) is not { } upload)
                continue;
            if (upload.State == PackageUpload.Refused)
                await stop.CancelAsync();
            if (upload.WaitingFor is { } other && other != said)
                say(VisibleText.Of($"Waiting for its turn: the site is {other}."));
            said = upload.WaitingFor ?? said;
        }
    }

    /// <returns>What was published after all; null when nobody knows.</returns>
    private async Task<PackageVersionRow?> OutcomeAsync(string id, CancellationToken cancellationToken) => await FindAsync(id, cancellationToken) switch
    {
        { Problem: { } problem } => throw new ApiException(problem.Code, problem.Status, problem.Detail) { ErrorCode = problem.ErrorCode },
        var upload => upload?.Result,
    };

    /// <summary>Null while the site has not begun with it, and when it does not answer.</summary>
    private async Task<PackageUpload?> FindAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            return await api.PackageUploadAsync(id, cancellationToken);
        }
        catch (Exception cause) when (cause is ApiException or HttpRequestException or OperationCanceledException)
        {
            // The request itself tells what is wrong with the site.
            return null;
        }
    }

    /// <summary>A failure of our own reading comes back wrapped into one of the request.</summary>
    private static (string Message, int ExitCode)? Own(Exception cause)
    {
        for (var inner = cause.InnerException; inner is not null; inner = inner.InnerException)
        {
            if (inner is CliException known)
                return (known.Message, known.ExitCode);
            if (inner is UnauthorizedAccessException or FileNotFoundException or DirectoryNotFoundException)
                return ($"{inner.Message} Nothing was published.", inner is UnauthorizedAccessException ? ExitCode.AccessDenied : ExitCode.NotFound);
        }
        return null;
    }
}
