using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Capstan.Protocol.Content;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Client.Content;

/// <summary>Where on this disk chunks lie that a version wants: in other versions, and in its own files that came before. Nothing is believed before its hash was computed. Not thread-safe.</summary>
/// <remarks>16 bytes for each chunk that is wanted, 16 to 32 more for each that was found, and the paths of files that have one. Beyond <see cref="Most"/> chunks it knows no more: they are read from a CAP.</remarks>
/// <param name="expected">Chunks that will be wanted, about: room for them is made once.</param>
internal sealed class LocalChunks(long expected) : IDisposable
{
    /// <summary>Chunks that are known at most: 500,000, about 8 GB of content.</summary>
    public const int Most = 500_000;

    private WantedChunks _wanted = new((int)Math.Min(expected, Most));
    private List<Place> _places = [];
    private readonly List<(VersionFolder Folder, string Directory, string Name)> _files = [];
    private (int File, SafeFileHandle? Handle) _open = (-1, null);

    /// <summary>A chunk that the version has; one that it has twice is worth remembering once it is there.</summary>
    public void Want(StoredChunk chunk)
    {
        ref var known = ref _wanted.Find(Key(chunk.Hash));
        if (!Unsafe.IsNullRef(ref known))
            known = known with { IsRepeated = true };
        else if (_wanted.Count < Most)
            _wanted.Add(Key(chunk.Hash));
    }

    /// <summary>A file that may have chunks that are wanted.</summary>
    public FileOffer Offer(VersionFolder folder, string path) => new(this, folder, path);

    /// <summary>A chunk of the version itself lies there now.</summary>
    public void Placed(VersionFolder folder, string path, long offset, StoredChunk chunk)
    {
        ref var known = ref _wanted.Find(Key(chunk.Hash));
        if (Unsafe.IsNullRef(ref known) || !known.IsRepeated || known.Place >= 0)
            return;
        Add(folder, path);
        Found(ref known, new Place(_files.Count - 1, offset));
    }

    /// <summary>Reads a chunk that lies somewhere here.</summary>
    /// <param name="plain">As long as the chunk; anything when the answer is false.</param>
    public bool TryRead(StoredChunk chunk, Span<byte> plain)
    {
        ref var known = ref _wanted.Find(Key(chunk.Hash));
        if (Unsafe.IsNullRef(ref known) || known.Place < 0)
            return false;
        var place = _places[known.Place];
        if (_open.File != place.File)
        {
            _open.Handle?.Dispose();
            var (folder, directory, name) = _files[place.File];
            _open = (place.File, null);
            try
            {
                _open = (place.File, folder.OpenRead(directory + name));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It merely might have had the chunk.
                return false;
            }
        }
        return _open.Handle is { } handle && ChunkFile.Has(handle, place.Offset, chunk, plain);
    }

    /// <summary>It knows nothing any more: whoever still holds it does not hold what it knew.</summary>
    public void Dispose()
    {
        _open.Handle?.Dispose();
        (_open, _wanted, _places) = ((-1, null), new WantedChunks(0), []);
    }

    /// <summary>Files of one directory share its text.</summary>
    private void Add(VersionFolder folder, string path)
    {
        var cut = path.LastIndexOf('/') + 1;
        var directory = path.AsSpan(0, cut);
        if (_files.Count > 0 && _files[^1] is var last && directory.SequenceEqual(last.Directory))
        {
            if (last.Folder != folder || !path.AsSpan(cut).SequenceEqual(last.Name))
                _files.Add((folder, last.Directory, path[cut..]));
        }
        else
            _files.Add((folder, directory.ToString(), path[cut..]));
    }

    private static ulong Key(ContentHash hash)
    {
        Span<byte> bytes = stackalloc byte[ContentHash.Bytes];
        hash.CopyTo(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    private void Found(ref WantedChunks.Wanted known, Place place)
    {
        known = known with { Place = _places.Count };
        _places.Add(place);
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Place(int File, long Offset);

    /// <summary>The chunks of one file, in their order.</summary>
    internal struct FileOffer(LocalChunks owner, VersionFolder folder, string path)
    {
        private int _file = -1;
        private long _offset;

        public void Add(Extent extent)
        {
            foreach (var chunk in extent.Chunks)
            {
                ref var known = ref owner._wanted.Find(Key(chunk.Hash));
                if (!Unsafe.IsNullRef(ref known) && known.Place < 0)
                {
                    if (_file < 0)
                    {
                        owner.Add(folder, path);
                        _file = owner._files.Count - 1;
                    }
                    owner.Found(ref known, new Place(_file, _offset));
                }
                _offset += chunk.LengthBytes;
            }
        }
    }
}
