using System.Buffers.Binary;

namespace Capstan.Testing.Ncp;

/// <summary>Volumes, directories and files. Called under the gate.</summary>
internal sealed class NcpServerFiles(NcpTestServer server)
{
    private const int DirectoryBit = 0x10;

    private readonly Dictionary<string, uint> _numbers = new(StringComparer.Ordinal);
    private uint _lastHandle;

    public void Perform(NcpServerConnection mine, int function, int subfunction, ref NcpFields fields, NcpAnswer answer)
    {
        if (mine.User is null && function is not 0x16)
            throw new NcpServerException(0x9C);
        switch (function, subfunction)
        {
            case (0x16, 0x05):
                answer.Byte(NumberOf(fields.Text()));
                break;
            case (0x16, 0x2C):
                Space(fields.Byte(), answer);
                break;
            case (0x57, 0x01):
                Open(mine, ref fields, answer);
                break;
            case (0x57, 0x02):
                BeginSearch(mine, ref fields, answer);
                break;
            case (0x57, 0x04):
                Rename(mine, ref fields);
                break;
            case (0x57, 0x06):
                fields.Take(1 + 1 + 2 + 4);
                var seen = Path(mine, ref fields, NcpRight.Scan);
                Entry(seen.Full ?? throw Missing(seen), seen.Volume, answer);
                break;
            case (0x57, 0x08):
                fields.Take(1 + 1);
                var which = fields.Little16();
                Delete(Path(mine, ref fields, NcpRight.Delete), withDirectories: (which & 0x8010) != 0);
                break;
            case (0x57, 0x14):
                Search(mine, ref fields, answer);
                break;
            case (0x57, 0x18):
                fields.Little16();
                answer.Bytes(Volume(fields.Byte()).HasLongNames ? [2, 0, 0, 4] : [1, 0, 0]);
                break;
            case (0x3B, _):
                FileOf(mine, ref fields).Stream.Flush(flushToDisk: true);
                break;
            case (0x42, _):
                Close(mine, ref fields);
                break;
            case (0x48, _):
                Read(mine, ref fields, answer);
                break;
            case (0x49, _):
                Write(mine, ref fields);
                break;
            default:
                throw new NcpServerException(0xFB);
        }
    }

    private int NumberOf(string name)
    {
        var number = server.Rules.Volumes.Keys.ToList().FindIndex(known => string.Equals(known, name, StringComparison.OrdinalIgnoreCase));
        return number >= 0 && Volume(number) is not null ? number : throw new NcpServerException(0x98);
    }

    private NcpTestVolume Volume(int number) =>
        number < server.Rules.Volumes.Count && server.Rules.Volumes.Values.ElementAt(number) is { IsMounted: true } volume ? volume : throw new NcpServerException(0x98);

    private void Space(int number, NcpAnswer answer)
    {
        var drive = new DriveInfo(Volume(number).Directory);
        // Blocks of 64 KB: 128 sectors.
        answer.Little32((uint)(drive.TotalSize >> 16)).Little32((uint)(drive.AvailableFreeSpace >> 16)).Little32(0).Little32(0).Little32(10_000).Little32(9_000).Zero(4).Byte(128)
            .Text(server.Rules.Volumes.Keys.ElementAt(number).ToUpperInvariant());
    }

    /// <param name="Full">Null when nothing is there.</param>
    /// <param name="Wanted">Where it would be; null when its directory is not there.</param>
    private sealed record Place(NcpTestVolume Volume, string? Full, string? Wanted, bool IsRoot);

    private Place Path(NcpServerConnection mine, ref NcpFields fields, NcpRight right)
    {
        fields.Take(1 + 4);
        var flag = fields.Byte();
        var components = Components(ref fields, fields.Byte());
        return Resolve(mine, flag, components, right);
    }

    private static List<string> Components(ref NcpFields fields, int count)
    {
        var components = new List<string>();
        for (var at = 0; at < count; at++)
            components.Add(fields.Text());
        return components;
    }

    private Place Resolve(NcpServerConnection mine, int flag, List<string> components, NcpRight right)
    {
        if (flag != 0xFF || components.Count == 0)
            throw new NcpServerException(0x9B);
        var volume = Volume(NumberOf(components[0]));
        var path = string.Join('/', components.Skip(1));
        if (volume.Allows?.Invoke(mine.User!, path, right) == false)
            throw new NcpServerException(right switch { NcpRight.Scan => 0x89, NcpRight.Read => 0x93, NcpRight.Create => 0x84, NcpRight.Delete => 0x8A, _ => 0x8B });
        string? full = volume.Directory, wanted = volume.Directory;
        foreach (var name in components.Skip(1))
        {
            if (name.Length is 0 or > 255 || name is "." or ".." || name.AsSpan().ContainsAny("/\\:*?") || (!volume.HasLongNames && !IsDosName(name)))
                throw new NcpServerException(0x9E);
            wanted = full is not null && Directory.Exists(full) ? System.IO.Path.Combine(full, name) : null;
            full = wanted is null ? null : Existing(full!, name);
        }
        return new Place(volume, full, wanted, components.Count == 1);
    }

    /// <summary>Letter case does not count.</summary>
    private static string? Existing(string directory, string name)
    {
        var exact = System.IO.Path.Combine(directory, name);
        return System.IO.Path.Exists(exact) ? exact
            : Directory.EnumerateFileSystemEntries(directory).FirstOrDefault(other => string.Equals(System.IO.Path.GetFileName(other), name, StringComparison.OrdinalIgnoreCase));
    }

    private static bool IsDosName(string name) => name.Split('.') is [{ Length: > 0 and <= 8 }] or [{ Length: > 0 and <= 8 }, { Length: > 0 and <= 3 }] && !name.Any(char.IsLower);

    private static NcpServerException Missing(Place place) => new((byte)(place.Wanted is null ? 0x9C : 0xFF));

    private void Open(NcpServerConnection mine, ref NcpFields fields, NcpAnswer answer)
    {
        fields.Byte();
        var mode = fields.Byte();
        fields.Take(2 + 4);
        var isDirectory = (fields.Little32() & DirectoryBit) != 0;
        var access = fields.Little16();
        var place = Path(mine, ref fields, mode == 8 ? NcpRight.Create : NcpRight.Read);
        if (mode == 8 && place.Full is not null)
            throw new NcpServerException(0xFF);
        var full = (mode == 8 ? place.Wanted : place.Full) ?? throw Missing(place);
        if (mode == 8 && place.Volume.IsFull)
            throw new NcpServerException(0x01);
        if (isDirectory)
        {
            Directory.CreateDirectory(full);
            answer.Zero(4).Byte(2).Byte(0);
            Entry(full, place.Volume, answer);
            return;
        }
        if (Directory.Exists(full))
            throw new NcpServerException(0xFF);
        if (server.Connections.Values.Any(other => other.Files.Values.Any(file => file.Path == full && (file.IsExclusive || (access & 0x04) != 0))))
            throw new NcpServerException(0x80);
        var stream = new FileStream(full, mode == 8 ? FileMode.CreateNew : FileMode.Open, (access & 2) != 0 ? FileAccess.ReadWrite : FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
        mine.Files.Add(++_lastHandle, new NcpServerFile(full, stream, (access & 0x04) != 0));
        answer.Little32(_lastHandle).Byte(mode == 8 ? 2 : 1).Byte(0);
        Entry(full, place.Volume, answer);
    }

    /// <summary>77 bytes and the name.</summary>
    private void Entry(string full, NcpTestVolume volume, NcpAnswer answer)
    {
        var isDirectory = Directory.Exists(full);
        var time = (File.GetLastWriteTimeUtc(full) + server.Rules.Zone).AddTicks(0);
        var (clock, date) = ((time.Hour << 11) | (time.Minute << 5) | (time.Second / 2), ((time.Year - 1980) << 9) | (time.Month << 5) | time.Day);
        var length = isDirectory ? 0 : (uint)new FileInfo(full).Length;
        answer.Little32(length).Little32(isDirectory ? DirectoryBit : 0x20u).Little16(0).Little32(length).Little32(length).Little16(1).Little16(clock).Little16(date).Big32(1)
            .Little16(clock).Little16(date).Big32(1).Little16(date).Little16(0).Little16(0).Big32(0).Little16(0x1FF).Little32(NumberOf(full, _numbers)).Little32(NumberOf(full, _numbers)).Little32(0)
            .Little32(0).Little32(0).Little32(0).Little32(volume.HasLongNames ? 4u : 0u).Text(System.IO.Path.GetFileName(full));
    }

    private static uint NumberOf(string full, Dictionary<string, uint> numbers)
    {
        if (!numbers.TryGetValue(full, out var number))
            numbers.Add(full, number = (uint)numbers.Count + 1);
        return number;
    }

    private void BeginSearch(NcpServerConnection mine, ref NcpFields fields, NcpAnswer answer)
    {
        fields.Take(2);
        var place = Path(mine, ref fields, NcpRight.Scan);
        var full = place.Full ?? throw Missing(place);
        if (!Directory.Exists(full))
            throw new NcpServerException(0x9C);
        var number = NumberOf(full, _numbers);
        mine.Searches[number] = [.. Directory.EnumerateFileSystemEntries(full).Where(name => place.Volume.HasLongNames || IsDosName(System.IO.Path.GetFileName(name))).Order(StringComparer.Ordinal)];
        answer.Byte(server.Rules.Volumes.Values.ToList().IndexOf(place.Volume)).Little32(number).Little32(0);
    }

    private void Search(NcpServerConnection mine, ref NcpFields fields, NcpAnswer answer)
    {
        fields.Take(1 + 1 + 2 + 4);
        var most = fields.Little16();
        var volume = fields.Byte();
        var number = fields.Little32();
        var at = (int)fields.Little32();
        if (!mine.Searches.TryGetValue(number, out var names) || at >= names.Length)
        {
            mine.Searches.Remove(number);
            throw new NcpServerException(0xFF);
        }
        var (entries, count) = (new NcpAnswer(), 0);
        for (; at < names.Length && count < most && entries.Length + 12 + 77 + 255 <= mine.BufferBytes; at++)
        {
            if (!System.IO.Path.Exists(names[at]))
                continue;
            Entry(names[at], Volume(volume), entries);
            count++;
        }
        answer.Byte(volume).Little32(number).Little32((uint)at).Byte(at < names.Length ? 0xFF : 0).Little16(count).Bytes(entries.ToArray());
    }

    private void Rename(NcpServerConnection mine, ref NcpFields fields)
    {
        fields.Take(1 + 1 + 2);
        fields.Take(1 + 4);
        var (flag, oldCount) = (fields.Byte(), fields.Byte());
        fields.Take(1 + 4);
        var (nextFlag, nextCount) = (fields.Byte(), fields.Byte());
        var old = Resolve(mine, flag, Components(ref fields, oldCount), NcpRight.Rename);
        var next = Resolve(mine, nextFlag, Components(ref fields, nextCount), NcpRight.Create);
        var from = old.Full ?? throw Missing(old);
        if (Directory.Exists(from))
            throw new NcpServerException(0xFF);
        if (next.Full is not null)
            throw new NcpServerException(0x92);
        var to = next.Wanted ?? throw new NcpServerException(0x9C);
        if (IsOpen(from))
            throw new NcpServerException(0x8E);
        File.Move(from, to);
    }

    private void Delete(Place place, bool withDirectories)
    {
        var full = place.Full ?? throw Missing(place);
        if (place.IsRoot)
            throw new NcpServerException(0x8A);
        if (Directory.Exists(full))
        {
            if (!withDirectories)
                throw new NcpServerException(0xFF);
            if (Directory.EnumerateFileSystemEntries(full).Any())
                throw new NcpServerException(0xA0);
            Directory.Delete(full);
            return;
        }
        if (IsOpen(full))
            throw new NcpServerException(0x8E);
        File.Delete(full);
    }

    private bool IsOpen(string full) => server.Connections.Values.Any(one => one.Files.Values.Any(file => file.Path == full));

    /// <summary>Of six bytes the last four are the handle; the first two are one more than its lower half.</summary>
    private static uint Handle(ref NcpFields fields)
    {
        fields.Byte();
        var handle = fields.Take(6);
        var low = BinaryPrimitives.ReadUInt16LittleEndian(handle[2..]);
        return BinaryPrimitives.ReadUInt16LittleEndian(handle) == (ushort)(low + 1) ? BinaryPrimitives.ReadUInt32LittleEndian(handle[2..]) : throw new NcpServerException(0x88);
    }

    private static NcpServerFile FileOf(NcpServerConnection mine, ref NcpFields fields) =>
        mine.Files.TryGetValue(Handle(ref fields), out var file) ? file : throw new NcpServerException(0x88);

    private static void Close(NcpServerConnection mine, ref NcpFields fields)
    {
        if (!mine.Files.Remove(Handle(ref fields), out var file))
            throw new NcpServerException(0x88);
        file.Stream.Dispose();
    }

    private void Read(NcpServerConnection mine, ref NcpFields fields, NcpAnswer answer)
    {
        var file = FileOf(mine, ref fields);
        var offset = fields.Big32();
        var wanted = Math.Min(fields.Big16(), mine.BufferBytes);
        MountedOrGone(file);
        var buffer = new byte[wanted];
        var count = RandomAccess.Read(file.Stream.SafeFileHandle, buffer, offset);
        answer.Big16(count).Zero((int)(offset & 1)).Bytes(buffer.AsSpan(0, count));
    }

    private void Write(NcpServerConnection mine, ref NcpFields fields)
    {
        var file = FileOf(mine, ref fields);
        var offset = fields.Big32();
        var content = fields.Take(fields.Big16());
        if (content.Length > mine.BufferBytes)
            throw new NcpServerException(0x7E);
        var volume = MountedOrGone(file);
        if (!file.Stream.CanWrite)
            throw new NcpServerException(0x94);
        if (volume.IsFull)
            throw new NcpServerException(0x01);
        RandomAccess.Write(file.Stream.SafeFileHandle, content, offset);
    }

    private NcpTestVolume MountedOrGone(NcpServerFile file) =>
        server.Rules.Volumes.Values.FirstOrDefault(volume => volume.IsMounted && file.Path.StartsWith(volume.Directory, StringComparison.Ordinal)) ?? throw new NcpServerException(0x88);
}
