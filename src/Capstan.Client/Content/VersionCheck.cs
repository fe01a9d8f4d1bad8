using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol.Content;

namespace Capstan.Client.Content;

/// <summary>A version on this disk beside its tree: whether it is exactly what was published, and what makes it so once its chunks are in place.</summary>
/// <param name="tree">Path of a tree that was verified.</param>
/// <param name="files">That it lists, so that room for them is made once.</param>
internal sealed class VersionCheck(VersionFolder folder, string tree, int files)
{
    private readonly byte[] _plain = new byte[ContentFormat.MaxChunkBytes];

    /// <summary>8 bytes for each path: a tree may have a million.</summary>
    private readonly HashSet<ulong> _paths = new(files);

    /// <summary>Reads everything.</summary>
    /// <returns>Null when it is what was published; else one line with the first thing that is not.</returns>
    public async Task<string?> FirstFaultAsync(CancellationToken cancellationToken)
    {
        string? fault = null;
        var file = default(OpenFile);
        try
        {
            await EachAsync(entriesOnly: false, line =>
            {
                if (line is TreeEntry entry)
                {
                    file.Dispose();
                    file = default;
                    fault = FaultOf(entry);
                    if (fault is null && entry.Kind == TreeKind.File && entry.SizeBytes > 0)
                        file = new OpenFile(entry.Path, folder.OpenRead(entry.Path));
                }
                else
                    fault = file.FaultOf((Extent)line, _plain);
                return fault is null;
            }, cancellationToken);
        }
        finally
        {
            file.Dispose();
        }
        return fault ?? (Strangers(cancellationToken).FirstOrDefault() is { } stranger ? $"{stranger} does not belong to it" : null);
    }

    /// <summary>Sets lengths and modes, makes links, directories and empty files, removes what does not belong.</summary>
    /// <returns>False when a file is shorter than it should be.</returns>
    public async Task<bool> FinishAsync(CancellationToken cancellationToken)
    {
        var directories = new List<(string Path, int Mode)>();
        var isWhole = true;
        await EachAsync(entriesOnly: true, line =>
        {
            switch (line)
            {
                case TreeEntry { Kind: TreeKind.Directory } directory:
                    folder.MakeDirectory(directory.Path);
                    directories.Add((directory.Path, directory.Mode));
                    break;
                case TreeEntry { Kind: TreeKind.Link } link:
                    folder.MakeLink(link.Path, link.Target!);
                    break;
                case TreeEntry file:
                    isWhole = Finish(file);
                    break;
            }
            return isWhole;
        }, cancellationToken);
        if (!isWhole)
            return false;
        foreach (var stranger in Strangers(cancellationToken).ToList())
            folder.Remove(stranger);
        // Last, and the innermost first: a mode may forbid what had to be done before.
        for (var i = directories.Count - 1; i >= 0; i--)
            folder.SetMode(directories[i].Path, directories[i].Mode);
        return true;
    }

    private bool Finish(TreeEntry file)
    {
        if (folder.Look(file.Path) is { Kind: TreeKind.File } there && there.SizeBytes == file.SizeBytes)
        {
            folder.SetMode(file.Path, there, file.Mode);
            return true;
        }
        using (var handle = folder.OpenWrite(file.Path))
        {
            if (RandomAccess.GetLength(handle) < file.SizeBytes)
                return false;
            RandomAccess.SetLength(handle, file.SizeBytes);
        }
        folder.SetMode(file.Path, file.Mode);
        return true;
    }

    private string? FaultOf(TreeEntry entry)
    {
        if (folder.Look(entry.Path) is not { } there)
            return $"{entry.Path} is missing";
        if (there.Kind != entry.Kind)
            return $"{entry.Path} is a {Name(there.Kind)} and should be a {Name(entry.Kind)}";
        if (there.Target != entry.Target)
            return $"{entry.Path} leads elsewhere";
        if (there.Kind == TreeKind.File && there.SizeBytes != entry.SizeBytes)
            return $"{entry.Path} has {there.SizeBytes} bytes and should have {entry.SizeBytes}";
        return !OperatingSystem.IsWindows() && entry.Kind != TreeKind.Link && there.Mode != entry.Mode
            ? $"{entry.Path} has the mode {Convert.ToString(there.Mode, 8)} and should have {Convert.ToString(entry.Mode, 8)}"
            : null;
    }

    private async Task EachAsync(bool entriesOnly, Func<TreeLine, bool> take, CancellationToken cancellationToken)
    {
        var stream = new FileStream(tree, new FileStreamOptions { BufferSize = 0, Options = FileOptions.SequentialScan });
        await using (stream.ConfigureAwait(false))
        {
            var reader = new TreeReader(stream, entriesOnly);
            while (await reader.ReadAsync(cancellationToken) is { } line)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (line is TreeEntry entry)
                    _paths.Add(Key(entry.Path));
                if (!take(line))
                    return;
            }
        }
    }

    /// <summary>What is there and is not in the tree; nothing below it.</summary>
    private IEnumerable<string> Strangers(CancellationToken cancellationToken)
    {
        var open = new Stack<string>([""]);
        while (open.TryPop(out var directory))
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (var (path, isDirectory) in folder.List(directory))
            {
                if (!_paths.Contains(Key(path)))
                    yield return path;
                else if (isDirectory)
                    open.Push(path);
            }
        }
    }

    private static string Name(TreeKind kind) => kind switch
    {
        TreeKind.Directory => "directory",
        TreeKind.Link => "link",
        _ => "file",
    };

    private static ulong Key(string path)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(path), hash);
        return BinaryPrimitives.ReadUInt64LittleEndian(hash);
    }

    private struct OpenFile(string path, Microsoft.Win32.SafeHandles.SafeFileHandle? handle) : IDisposable
    {
        private long _offset;

        public string? FaultOf(Extent extent, byte[] plain)
        {
            foreach (var chunk in extent.Chunks)
            {
                if (handle is null || !ChunkFile.Has(handle, _offset, chunk, plain))
                    return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{path} is not what was published at byte {_offset}");
                _offset += chunk.LengthBytes;
            }
            return null;
        }

        public readonly void Dispose() => handle?.Dispose();
    }
}
