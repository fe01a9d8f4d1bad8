using Capstan.Protocol;

namespace Capstan.Client.Content;

/// <summary>How a version that is here is compared with what was published, and what becomes of one that is not.</summary>
internal sealed partial class PackageContent
{
    private async Task<string?> FaultAsync(PackageKey package, ReadOnlyMemory<byte> document, CancellationToken cancellationToken)
    {
        try
        {
            var manifest = Manifest(package, document);
            if (!cache.IsComplete(package))
                return "it is not complete here";
            var tree = new FileStream(cache.TreeOf(package), new FileStreamOptions { BufferSize = 0, Options = FileOptions.SequentialScan });
            await using (tree.ConfigureAwait(false))
            {
                if (Convert.ToHexStringLower(await System.Security.Cryptography.SHA256.HashDataAsync(tree, cancellationToken)) != manifest.Tree.Sha256)
                    return Damaged(package, "the list of what it holds is not what was published");
            }
            using var folder = VersionFolder.Open(cache.DirectoryOf(package));
            var fault = await new VersionCheck(folder, cache.TreeOf(package), manifest.FileCount).FirstFaultAsync(cancellationToken);
            if (fault is null)
                Used(package);
            return fault is null ? null : Damaged(package, fault);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ProtocolException)
        {
            // A process without handles says nothing about the content: it stays in use, and is verified again.
            return Nal.Providers.Local.LocalErrors.IsShortage(e) ? e.Message : Damaged(package, e.Message);
        }
    }

    /// <summary>Takes it out of use; what cannot be moved now is known as damaged all the same.</summary>
    private string Damaged(PackageKey package, string fault)
    {
        ContentLog.ContentDamaged(log, package.ToString(), fault);
        try
        {
            cache.Demote(package);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            ContentLog.ContentStays(log, package.ToString(), e.Message.ReplaceLineEndings(" "));
            lock (_state)
                _damaged.Add(package);
        }
        return fault;
    }
}
