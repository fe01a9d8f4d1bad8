using System.Runtime.CompilerServices;
using Capstan.Ncp.Connection;
using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Files;

/// <summary>Files and directories of one volume (function 0x57). Paths are segments joined by <c>/</c>, empty for the volume itself. Thread-safe.</summary>
/// <remarks>Every request names its entry by volume and path: the server keeps no directory handle for this client, so none can leak.</remarks>
public sealed class NcpVolume
{
    private const int Function = 0x57;
    private const byte LongNameSpace = 4;
    private const byte DosNameSpace = 0;
    private const int NoHandle = 0xFF;
    private const int OpenMode = 0x01;
    private const int CreateMode = 0x08;
    private const uint DirectoryAttribute = 0x10;
    private const uint NormalAttribute = 0x20;

    /// <summary>Hidden, system, and (0x8000) directories as well as files.</summary>
    private const int AllEntries = 0x8006;
    private const int AllFiles = 0x06;

    /// <summary>Of one answer; the buffer ends it before.</summary>
    private const int MostPerAnswer = 512;

    /// <summary>A listing that is longer than this never ends.</summary>
    private const int MostAnswers = 1_000_000;

    private readonly NcpConnection _connection;
    private readonly int _number;
    private readonly byte _space;

    private NcpVolume(NcpConnection connection, string name, int number, byte space)
    {
        _connection = connection;
        Name = name;
        _number = number;
        _space = space;
    }

    public string Name { get; }

    /// <summary>The volume holds long names; else names of eight characters and three in upper case.</summary>
    public bool HasLongNames => _space == LongNameSpace;

    /// <exception cref="NcpException"><see cref="NcpCode.NoSuchVolume"/>: it is not there, or not mounted.</exception>
    public static async Task<NcpVolume> OpenAsync(NcpConnection connection, string name, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentException.ThrowIfNullOrEmpty(name);
        var volume = NcpText.Upcase(name);
        var number = await connection.AskAsync(NcpRequest.Of(0x16, 0x05, new NcpWriter().CountedText(volume)), $"looking for volume {volume} of {connection.Endpoint}", cancellationToken);
        if (number.Length < 1)
            throw new NcpProtocolException("a volume number of 0 bytes");
        var spaces = await connection.AskAsync(NcpRequest.Of(Function, new NcpWriter().Byte(24).UInt16Little(0).Byte(number[0])), $"asking for the name spaces of {volume}", cancellationToken);
        return new NcpVolume(connection, volume, number[0], ReadSpaces(spaces).Contains(LongNameSpace) ? LongNameSpace : DosNameSpace);
    }

    /// <summary>Facts about one entry; null when nothing is there.</summary>
    public async Task<NcpEntry?> StatAsync(string path, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path.Length == 0)
            return new NcpEntry(Name, IsDirectory: true, 0, Modified: null);
        try
        {
            return NcpEntry.Read(await _connection.AskAsync(
                NcpRequest.Of(Function, Path(new NcpWriter().Byte(6).Byte(_space).Byte(_space).UInt16Little(AllEntries).UInt32Little(NcpEntry.AllFields), path)),
                $"looking at {Show(path)}", cancellationToken));
        }
        catch (NcpException missing) when (IsMissing(missing.Code))
        {
            return null;
        }
    }

    /// <summary>Entries of one directory.</summary>
    /// <exception cref="NcpException">With <see cref="IsMissing"/> when there is no such directory.</exception>
    public async IAsyncEnumerable<NcpEntry> ListAsync(string directory, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(directory);
        var what = $"listing {Show(directory)}";
        var sequence = ReadSearch(await _connection.AskAsync(NcpRequest.Of(Function, Path(new NcpWriter().Byte(2).Byte(_space).Byte(0), directory)), what, cancellationToken));
        for (var answers = 0; answers < MostAnswers; answers++)
        {
            IReadOnlyList<NcpEntry> entries;
            bool isMore;
            try
            {
                (sequence, isMore, entries) = ReadSet(await _connection.AskAsync(NcpRequest.Of(Function, new NcpWriter().Byte(20).Byte(_space).Byte(0).UInt16Little(AllEntries)
                    .UInt32Little(NcpEntry.AllFields).UInt16Little(MostPerAnswer).Bytes(sequence).Byte(2).Byte(0xFF).Byte('*')), what, cancellationToken));
            }
            catch (NcpException end) when (end.Code == NcpCode.Failure)
            {
                yield break;
            }
            foreach (var entry in entries)
                yield return entry;
            if (!isMore && entries.Count == 0)
                yield break;
        }
    }

    /// <summary>Makes a file that is not there yet, open for reading and writing by nobody else.</summary>
    /// <exception cref="NcpException">Also when the name is taken, under whatever code: look with <see cref="StatAsync"/>.</exception>
    public Task<NcpFile> CreateAsync(string path, CancellationToken cancellationToken) => OpenAsync(path, CreateMode, NcpAccess.Create, cancellationToken);

    /// <exception cref="NcpException">With <see cref="IsMissing"/> when there is no such file.</exception>
    public Task<NcpFile> OpenAsync(string path, CancellationToken cancellationToken) => OpenAsync(path, OpenMode, NcpAccess.Read, cancellationToken);

    /// <exception cref="NcpException">Also when the name is taken.</exception>
    public async Task CreateDirectoryAsync(string path, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        await _connection.AskAsync(NcpRequest.Of(Function, Path(new NcpWriter().Byte(1).Byte(_space).Byte(CreateMode).UInt16Little(AllEntries).UInt32Little(NcpEntry.AllFields)
            .UInt32Little(DirectoryAttribute).UInt16Little((int)NcpAccess.AllRights), path)), $"making {Show(path)}", cancellationToken);
    }

    /// <summary>Deletes a file or an empty directory; false when nothing was there. A volume that keeps what is deleted can still bring a file back.</summary>
    public Task<bool> DeleteAsync(string path, CancellationToken cancellationToken) => DeleteAsync(path, AllEntries, cancellationToken);

    /// <summary>As <see cref="DeleteAsync(string, CancellationToken)"/>, of files alone.</summary>
    public Task<bool> DeleteFileAsync(string path, CancellationToken cancellationToken) => DeleteAsync(path, AllFiles, cancellationToken);

    private async Task<bool> DeleteAsync(string path, int which, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            await _connection.AskAsync(NcpRequest.Of(Function, Path(new NcpWriter().Byte(8).Byte(_space).Byte(0).UInt16Little(which), path)), $"deleting {Show(path)}", cancellationToken);
            return true;
        }
        catch (NcpException missing) when (IsMissing(missing.Code))
        {
            // Some servers say no more than "failure" of what is in use.
            if (await StatAsync(path, cancellationToken) is not null)
                throw;
            return false;
        }
    }

    /// <summary>Renames a file, also into another directory of the volume. What is in the way is never replaced.</summary>
    public async Task RenameAsync(string from, string to, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(from);
        ArgumentException.ThrowIfNullOrEmpty(to);
        var (old, next) = (Components(from), Components(to));
        var fields = new NcpWriter(256).Byte(4).Byte(_space).Byte(1).UInt16Little(AllFiles)
            .Byte(_number).UInt32Little(0).Byte(NoHandle).Byte(old.Count)
            .Byte(_number).UInt32Little(0).Byte(NoHandle).Byte(next.Count);
        foreach (var component in old.Concat(next))
            fields.CountedText(component);
        await _connection.AskAsync(NcpRequest.Of(Function, fields), $"renaming {Show(from)} to {Show(to)}", cancellationToken);
    }

    /// <summary>Space of the whole volume; an account may be limited below it.</summary>
    public async Task<NcpSpace> GetSpaceAsync(CancellationToken cancellationToken) => NcpSpace.Read(await _connection.AskAsync(
        NcpRequest.Of(0x16, 0x2C, new NcpWriter(1).Byte(_number)), $"asking for the space of {Name}", cancellationToken));

    /// <summary>Nothing is there, or a part of the path is not.</summary>
    public static bool IsMissing(NcpCode code) => code == NcpCode.Failure || code == NcpCode.InvalidPath;

    internal static byte[] ReadSpaces(ReadOnlySpan<byte> data)
    {
        var reader = new NcpReader(data, "a list of name spaces");
        return reader.Take(reader.UInt16Little()).ToArray();
    }

    internal static byte[] ReadSearch(ReadOnlySpan<byte> data) => new NcpReader(data, "the begin of a search").Take(9).ToArray();

    internal static (byte[] Sequence, bool IsMore, IReadOnlyList<NcpEntry> Entries) ReadSet(ReadOnlySpan<byte> data)
    {
        var reader = new NcpReader(data, "a listing");
        var sequence = reader.Take(9).ToArray();
        var isMore = reader.Byte() != 0;
        var count = reader.UInt16Little();
        var entries = new List<NcpEntry>();
        for (var at = 0; at < count; at++)
            entries.Add(NcpEntry.Read(ref reader));
        return (sequence, isMore, entries);
    }

    private async Task<NcpFile> OpenAsync(string path, int mode, NcpAccess access, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var what = Show(path);
        var data = await _connection.AskAsync(NcpRequest.Of(Function, Path(new NcpWriter(128).Byte(1).Byte(_space).Byte(mode).UInt16Little(AllFiles).UInt32Little(NcpEntry.AllFields)
            .UInt32Little(NormalAttribute).UInt16Little((int)access), path)), $"{(mode == CreateMode ? "creating" : "opening")} {what}", UndoAsync, cancellationToken);
        return NcpFile.Read(_connection, what, data);

        async Task UndoAsync(byte[] late)
        {
            await NcpFile.Read(_connection, what, late).CloseAsync(CancellationToken.None);
            if (mode == CreateMode)
                await DeleteAsync(path, CancellationToken.None);
        }
    }

    /// <summary>Volume and path: no handle, and the volume's name as the first component.</summary>
    private NcpWriter Path(NcpWriter fields, string path)
    {
        var components = Components(path);
        fields.Byte(_number).UInt32Little(0).Byte(NoHandle).Byte(components.Count);
        foreach (var component in components)
            fields.CountedText(component);
        return fields;
    }

    private List<string> Components(string path)
    {
        var components = new List<string> { Name };
        if (path.Length > 0)
            components.AddRange(path.Split('/').Select(name => HasLongNames ? name : DosName.Of(name)));
        return components;
    }

    private string Show(string path) => $"{Name}:{path}";
}

/// <summary>What a file is opened for.</summary>
internal enum NcpAccess
{
    /// <summary>Others may read and write, too.</summary>
    Read = 0x01,
    /// <summary>Reading and writing (0x03), by nobody else (0x0C).</summary>
    Create = 0x0F,
    /// <summary>For a directory: the rights that it hands down.</summary>
    AllRights = 0x1FF,
}
