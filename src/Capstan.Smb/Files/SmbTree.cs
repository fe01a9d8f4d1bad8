using System.Runtime.CompilerServices;
using Capstan.Smb.Connection;
using Capstan.Smb.Pipes;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Files;

/// <summary>A share as a session sees it. Thread-safe.</summary>
/// <remarks>Paths are relative to the share, with <c>/</c> or <c>\</c> between segments; the empty path is its root. Names that cannot be on the wire
/// are the caller's to avoid; the server refuses them.</remarks>
public sealed partial class SmbTree
{
    /// <summary>What is read along with opening a file: one credit.</summary>
    private const int SmallBytes = 64 * 1024;
    private const int ListPageBytes = 1024 * 1024;
    /// <summary>Enough for a server to say "no more files".</summary>
    private const int LastPageBytes = 4096;

    /// <summary>Of <c>.</c> and <c>..</c>, each comes once: on two pages at most there is nothing else.</summary>
    private const int MostEmptyPages = 2;

    private readonly SmbSession _session;

    internal SmbTree(SmbSession session, string share, Route route)
    {
        _session = session;
        Share = share;
        Route = route;
    }

    public string Share { get; }

    public SmbSession Session => _session;

    public bool IsEncrypted => Route.Encrypt;

    internal uint Id => Route.TreeId;

    internal Route Route { get; }

    internal SmbConnection Connection => _session.Connection;

    /// <summary>Leaves the share; awaited.</summary>
    /// <exception cref="SmbException">The server did not confirm it.</exception>
    public async ValueTask DisconnectAsync(CancellationToken cancellationToken)
    {
        using var answer = await Connection.CallAsync(Route, new EmptyRequest(SmbCommand.TreeDisconnect), orphaned: null, cancellationToken);
        if (answer.Status.IsError && answer.Status != NtStatus.NetworkNameDeleted)
            throw SmbException.Of(answer.Status, SmbCommand.TreeDisconnect, $"leaving {Show("")}");
        _session.Forget(this);
    }

    /// <summary>Opens or makes a file or a directory.</summary>
    /// <exception cref="SmbException"><see cref="SmbFailure.Status"/> with the server's reason.</exception>
    public async ValueTask<SmbFile> OpenAsync(string path, SmbOpen how, CancellationToken cancellationToken)
    {
        using var chain = await FileChain.OpenAsync(this, path, how, _ => [], Leftover.Stays, cancellationToken);
        await ThrowAsync(chain.Opened, SmbCommand.Create, "opening", path, cancellationToken);
        return new SmbFile(this, path, chain.File);
    }

    /// <summary>Facts about one entry; null when nothing is there. One round trip.</summary>
    public async ValueTask<SmbEntry?> StatAsync(string path, CancellationToken cancellationToken)
    {
        using var chain = await FileChain.RunAsync(this, path, SmbOpen.Look, _ => [], cancellationToken);
        if (IsAbsent(chain.Opened))
            return null;
        await ThrowAsync(chain.Opened, SmbCommand.Create, "looking at", path, cancellationToken);
        return Entry(path, chain.File);
    }

    /// <summary>Entries of a directory, in the server's order; empty when the directory is not there. A small one takes one round trip.</summary>
    /// <param name="pattern"><c>*</c> for all; <c>*</c> and <c>?</c> as the server understands them.</param>
    /// <remarks>A listing under way holds the directory open until it is read to its end or disposed.</remarks>
    public async IAsyncEnumerable<SmbEntry> ListAsync(string directory, string pattern, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (first, isComplete) = await ListSmallAsync(directory, pattern, cancellationToken);
        if (isComplete)
        {
            foreach (var entry in first)
                yield return entry;
            yield break;
        }
        var file = await OpenAsync(directory, SmbOpen.List, cancellationToken);
        await using (file)
        {
            var empty = 0;
            while (await file.ListPageAsync(pattern, PageBytes, cancellationToken) is { } page)
            {
                if (page.Count == 0 && ++empty > MostEmptyPages)
                    throw Connection.EndWith(new SmbProtocolException($"the listing of {Show(directory)} goes on with pages that hold only \".\" and \"..\""));
                foreach (var entry in page)
                    yield return entry;
            }
            await file.CloseAsync(cancellationToken);
        }
    }

    /// <summary>Deletes a file, an empty directory, or a link itself; false when nothing was there. One round trip.</summary>
    public async ValueTask<bool> DeleteAsync(string path, CancellationToken cancellationToken)
    {
        using var chain = await FileChain.RunAsync(this, path, SmbOpen.Delete, file => [SetInfoRequest.Delete(file)], cancellationToken);
        if (IsAbsent(chain.Opened))
            return false;
        await ThrowAsync(chain.Opened, SmbCommand.Create, "deleting", path, cancellationToken);
        await ThrowAsync(chain[0], SmbCommand.SetInfo, "deleting", path, cancellationToken);
        return true;
    }

    /// <summary>Renames within the share. One round trip.</summary>
    /// <param name="replace">Whether a file under the new name is replaced, atomically; else the server refuses with <see cref="NtStatus.ObjectNameCollision"/>.</param>
    public async ValueTask RenameAsync(string from, string to, bool replace, CancellationToken cancellationToken)
    {
        using var chain = await FileChain.RunAsync(this, from, SmbOpen.Delete, file => [SetInfoRequest.Rename(file, RenamePath(to), replace)], cancellationToken);
        await ThrowAsync(chain.Opened, SmbCommand.Create, "renaming", from, cancellationToken);
        await ThrowAsync(chain[0], SmbCommand.SetInfo, $"renaming to {Show(to)}:", from, cancellationToken);
    }

    /// <summary>Makes a directory; no effect when it is there. Its parent must be there.</summary>
    public async ValueTask CreateDirectoryAsync(string path, CancellationToken cancellationToken)
    {
        using var chain = await FileChain.RunAsync(this, path, SmbOpen.MakeDirectory, _ => [], cancellationToken);
        await ThrowAsync(chain.Opened, SmbCommand.Create, "making the directory", path, cancellationToken);
    }

    /// <summary>Space of the volume that holds the share, for this account.</summary>
    public async ValueTask<SmbSpace> GetSpaceAsync(CancellationToken cancellationToken)
    {
        using var chain = await FileChain.RunAsync(this, "", SmbOpen.Look,
            file => [new QueryInfoRequest(file, InfoType.FileSystem, FullSizeInformation.Class, FullSizeInformation.Bytes)], cancellationToken);
        await ThrowAsync(chain.Opened, SmbCommand.Create, "asking for the space of", "", cancellationToken);
        await ThrowAsync(chain[0], SmbCommand.QueryInfo, "asking for the space of", "", cancellationToken);
        return FullSizeInformation.Read(chain.Message(0));
    }

    /// <summary>Opens a named pipe; the tree must be that of <c>IPC$</c>.</summary>
    internal async ValueTask<IPipe> OpenPipeAsync(string name, CancellationToken cancellationToken)
    {
        var how = new SmbOpen(SmbAccess.ReadData | SmbAccess.WriteData | SmbAccess.AppendData | SmbAccess.ReadAttributes | SmbAccess.ReadControl | SmbAccess.Synchronize,
            SmbDisposition.Open, SmbCreateOptions.None, SmbSharing.Read | SmbSharing.Write, SmbAttributes.None);
        using var chain = await FileChain.OpenAsync(this, name, how, _ => [], Leftover.Stays, cancellationToken);
        if (chain.Opened.IsError)
            throw SmbException.Of(chain.Opened, SmbCommand.Create, $"opening the pipe {name} of {Connection.Endpoint}");
        return new SmbPipe(this, name, chain.File.FileId);
    }

    internal string Show(string path) => path.Length == 0 ? $@"\\{Connection.Endpoint.Host}\{Share}" : $@"\\{Connection.Endpoint.Host}\{Share}\{Separated(path)}";

    /// <summary>How a path goes onto the wire: on a DFS share with server and share in front ([MS-SMB2] 3.2.4.3).</summary>
    internal string WirePath(string path) => !Route.IsDfs
        ? Separated(path)
        : path.Length == 0 ? $@"{Connection.Endpoint.Host}\{Share}" : $@"{Connection.Endpoint.Host}\{Share}\{Separated(path)}";

    /// <summary>The new name in a rename is relative to the share, on a DFS share, too ([MS-FSCC] 2.4.42).</summary>
    internal static string RenamePath(string path) => Separated(path);

    internal async ValueTask ThrowAsync(NtStatus status, SmbCommand command, string verb, string path, CancellationToken cancellationToken)
    {
        if (!status.IsError)
            return;
        if (status == NtStatus.PathNotCovered)
            throw await DfsReferral.DescribeAsync(_session, Show(path), command, cancellationToken);
        throw SmbException.Of(status, command, $"{verb} {Show(path)}");
    }

    internal static bool IsAbsent(NtStatus status) =>
        status == NtStatus.ObjectNameNotFound || status == NtStatus.ObjectPathNotFound || status == NtStatus.NoSuchFile || status == NtStatus.DeletePending;

    internal static SmbEntry Entry(string path, CreateResponse file)
    {
        var isDirectory = file.Attributes.HasFlag(SmbAttributes.Directory);
        return new SmbEntry(path[(path.LastIndexOfAny(['/', '\\']) + 1)..], file.Attributes, isDirectory ? 0 : file.LengthBytes, SmbTimes.ToTime(file.Times.LastWrite));
    }

    private static string Separated(string path) => path.Replace('/', '\\');

    private int PageBytes => Math.Min(Math.Min(ListPageBytes, Connection.MaxTransactBytes), Connection.AffordableBytes);

    private async ValueTask<(List<SmbEntry> Entries, bool IsComplete)> ListSmallAsync(string directory, string pattern, CancellationToken cancellationToken)
    {
        var bytes = Math.Min(SmallBytes, Connection.MaxTransactBytes);
        using var chain = await FileChain.RunAsync(this, directory, SmbOpen.List,
            file => [new QueryDirectoryRequest(file, pattern, bytes), new QueryDirectoryRequest(file, pattern, LastPageBytes)], cancellationToken);
        if (IsAbsent(chain.Opened))
            return ([], true);
        await ThrowAsync(chain.Opened, SmbCommand.Create, "listing", directory, cancellationToken);
        // Nothing matches at all: NO_SUCH_FILE at the first page (3.3.5.18).
        if (chain[0] == NtStatus.NoSuchFile || chain[0] == NtStatus.NoMoreFiles)
            return ([], true);
        await ThrowAsync(chain[0], SmbCommand.QueryDirectory, "listing", directory, cancellationToken);
        if (chain[1] != NtStatus.NoMoreFiles)
            return ([], false);
        return (QueryDirectoryResponse.Read(chain.Message(0), bytes), true);
    }
}
