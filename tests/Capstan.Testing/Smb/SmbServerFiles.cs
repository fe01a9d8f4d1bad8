using System.Text;
using Capstan.Smb;
using Capstan.Smb.Wire;

namespace Capstan.Testing.Smb;

/// <summary>Requests on one tree: files, directories, pipes.</summary>
/// <param name="trick">Played at this request; null for none.</param>
internal sealed class SmbServerFiles(SmbTestServer server, ServerTree tree, SmbTrick? trick)
{
    private const uint MostEndlessEntries = 200;

    private TestFileTree Files => tree.Share.Tree;

    public Outcome Perform(ServerRequest request, ServerChain chain) => request.Header.Command.Code switch
    {
        5 => Create(request, chain),
        6 => On(request, 24, 2 + 4, chain, (_, open) =>
        {
            Close(open);
            return Done(CloseBody());
        }),
        7 => On(request, 24, 2 + 4, chain, (_, _) => Done(SmbBody.Empty)),
        8 => Read(request, chain),
        9 => Write(request, chain),
        11 => Control(request, chain),
        14 => List(request, chain),
        16 => Query(request, chain),
        17 => Set(request, chain),
        _ => Failed(NtStatus.NotSupported),
    };

    public static void Close(ServerOpen open)
    {
        if (!open.Tree.Opens.Remove(open.Id))
            return;
        open.Node.Opens--;
        if (open.Node is { IsDeletePending: true, Opens: 0 })
            open.Tree.Share.Tree.Remove(open.Node);
    }

    public static byte[] IoctlBody(uint code, byte[] output) => SmbBody.Of(writer =>
    {
        writer.Write((ushort)49);
        writer.Write((ushort)0);
        writer.Write(code);
        writer.Write(ulong.MaxValue);
        writer.Write(ulong.MaxValue);
        writer.Write(0);
        writer.Write(0);
        writer.Write(SmbHeader.Bytes + 48);
        writer.Write(output.Length);
        writer.Write(0L);
        writer.Write(output);
    });

    private static Outcome Failed(NtStatus status) => new(status, SmbBody.Error);

    private static Outcome Done(byte[] body) => new(NtStatus.Success, body);

    /// <summary>Finds the handle of a request; in a chain it may be that of the request before.</summary>
    private Outcome On(ServerRequest request, ushort structureSize, int bytesBefore, ServerChain chain, Func<ServerRequest, ServerOpen, Outcome> act)
    {
        var reader = request.Reader(structureSize);
        reader.Skip(bytesBefore);
        var id = FileId.Read(ref reader);
        var isInherited = id == FileId.FromChain && request.Header.Flags.HasFlag(HeaderFlags.Related);
        if (!tree.Opens.TryGetValue(isInherited ? chain.FileId : id.Volatile, out var open) || (!isInherited && id.Persistent != ~id.Volatile))
            return Failed(NtStatus.FileClosed);
        chain.FileId = open.Id;
        return act(request, open);
    }

    private Outcome Create(ServerRequest request, ServerChain chain)
    {
        var reader = request.Reader(57);
        reader.Skip(2 + 4 + 16);
        var (access, _, sharing) = ((SmbAccess)reader.UInt32(), reader.UInt32(), (SmbSharing)reader.UInt32());
        var (disposition, options) = ((SmbDisposition)reader.UInt32(), (SmbCreateOptions)reader.UInt32());
        var name = reader.TextAt(reader.UInt16(), reader.UInt16());
        if (tree.Share.Pipes.TryGetValue(name, out var pipe))
            return Opened(chain, new ServerOpen(server.NextOpen(), tree, new TestNode(name, isDirectory: false, parent: null, default), access, sharing) { Pipe = pipe }, action: 1);
        if (tree.Share.IsDfs)
            name = string.Join('\\', name.Split('\\').Skip(2));
        var found = Files.Find(name, out var node);
        if (found.IsError)
            return Failed(found);
        var (wants, status) = Judge(node, disposition, options);
        if (status.IsError)
            return Failed(status);
        const SmbAccess changes = SmbAccess.WriteData | SmbAccess.AppendData | SmbAccess.Delete;
        if (tree.Share.IsReadOnly && (wants != 1 || (access & changes) != 0))
            return Failed(NtStatus.AccessDenied);
        if (tree.Share.ForbidsDeleting && access.HasFlag(SmbAccess.Delete))
            return Failed(NtStatus.AccessDenied);
        if (node is not null && server.OpensOf(node).Any(other => Conflicts(other, access, sharing)))
            return Failed(NtStatus.SharingViolation);
        if (node is null)
        {
            var (directory, last) = Files.Parent(name);
            node = Files.Make(directory, last, options.HasFlag(SmbCreateOptions.Directory));
        }
        else if (wants == 3)
        {
            node.Content = [];
        }
        node.IsDeletePending |= options.HasFlag(SmbCreateOptions.DeleteOnClose);
        return Opened(chain, new ServerOpen(server.NextOpen(), tree, node, access, sharing), wants);
    }

    /// <summary>What the disposition comes to (2.2.13): 1 opened, 2 created, 3 overwritten; or why not.</summary>
    private static (uint Action, NtStatus Status) Judge(TestNode? node, SmbDisposition disposition, SmbCreateOptions options)
    {
        if (node is null)
            return disposition is SmbDisposition.Open or SmbDisposition.Overwrite ? (0u, NtStatus.ObjectNameNotFound) : (2u, NtStatus.Success);
        if (node.IsDeletePending)
            return (0, NtStatus.DeletePending);
        if (disposition == SmbDisposition.Create)
            return (0, NtStatus.ObjectNameCollision);
        if (node.IsDirectory && options.HasFlag(SmbCreateOptions.NonDirectory))
            return (0, NtStatus.FileIsADirectory);
        if (!node.IsDirectory && options.HasFlag(SmbCreateOptions.Directory))
            return (0, NtStatus.NotADirectory);
        return (disposition is SmbDisposition.Open or SmbDisposition.OpenIf ? 1u : 3u, NtStatus.Success);
    }

    private static bool Conflicts(ServerOpen other, SmbAccess access, SmbSharing sharing) =>
        Denies(access, other.Sharing) || Denies(other.Access, sharing);

    private static bool Denies(SmbAccess access, SmbSharing sharing) =>
        ((access & SmbAccess.ReadData) != 0 && !sharing.HasFlag(SmbSharing.Read))
        || ((access & (SmbAccess.WriteData | SmbAccess.AppendData)) != 0 && !sharing.HasFlag(SmbSharing.Write))
        || ((access & SmbAccess.Delete) != 0 && !sharing.HasFlag(SmbSharing.Delete));

    private Outcome Opened(ServerChain chain, ServerOpen open, uint action)
    {
        tree.Opens.Add(open.Id, open);
        open.Node.Opens++;
        chain.FileId = open.Id;
        return Done(SmbBody.Of(writer =>
        {
            writer.Write((ushort)89);
            writer.Write((ushort)0);
            writer.Write(action);
            Facts(writer, open.Node, allocationFirst: true);
            writer.Write((uint)open.Node.Attributes);
            writer.Write(0);
            writer.Write(~open.Id);
            writer.Write(open.Id);
            writer.Write(0L);
        }));
    }

    private static void Facts(BinaryWriter writer, TestNode node, bool allocationFirst)
    {
        foreach (var time in new[] { node.Created, node.LastWrite, node.LastWrite, node.LastWrite })
            writer.Write(time == default ? 0 : time.ToFileTime());
        var allocation = (node.Content.LongLength + 4095) & ~4095L;
        writer.Write(allocationFirst ? allocation : node.Content.LongLength);
        writer.Write(allocationFirst ? node.Content.LongLength : allocation);
    }

    private static byte[] CloseBody() => SmbBody.Of(writer =>
    {
        writer.Write((ushort)60);
        writer.Write(new byte[58]);
    });

    private Outcome Read(ServerRequest request, ServerChain chain)
    {
        var reader = request.Reader(49);
        reader.Skip(2);
        var (length, offset) = ((int)reader.UInt32(), (long)reader.UInt64());
        return On(request, 49, 2 + 4 + 8, chain, (_, open) =>
        {
            if (open.Pipe is not null)
            {
                var part = open.Unread[..Math.Min(length, open.Unread.Length)];
                open.Unread = open.Unread[part.Length..];
                return Done(ReadBody(part));
            }
            if (!open.Access.HasFlag(SmbAccess.ReadData))
                return Failed(NtStatus.AccessDenied);
            if (offset >= open.Node.Content.Length && length > 0)
                return Failed(NtStatus.EndOfFile);
            var data = open.Node.Content.AsSpan((int)offset, (int)Math.Min(length, open.Node.Content.Length - offset)).ToArray();
            return Done(ReadBody(trick?.Kind == SmbTrickKind.TooMuch ? [.. data, .. new byte[length + 1 - data.Length]] : data));
        });
    }

    private static byte[] ReadBody(byte[] data) => SmbBody.Of(writer =>
    {
        writer.Write((ushort)17);
        writer.Write((byte)(SmbHeader.Bytes + 16));
        writer.Write((byte)0);
        writer.Write(data.Length);
        writer.Write(0L);
        writer.Write(data);
    });

    private Outcome Write(ServerRequest request, ServerChain chain)
    {
        var reader = request.Reader(49);
        var (dataOffset, length, offset) = (reader.UInt16(), reader.UInt32(), (long)reader.UInt64());
        var data = reader.At(dataOffset, length).ToArray();
        return On(request, 49, 2 + 4 + 8, chain, (_, open) =>
        {
            if (open.Pipe is { } pipe)
                open.Unread = [.. open.Unread, .. pipe(data)];
            else if ((open.Access & (SmbAccess.WriteData | SmbAccess.AppendData)) == 0)
                return Failed(NtStatus.AccessDenied);
            else if (Files.Write(open.Node, offset, data) is { IsError: true } full)
                return Failed(full);
            return Done(SmbBody.Of(writer =>
            {
                writer.Write((ushort)17);
                writer.Write((ushort)0);
                writer.Write(data.Length);
                writer.Write(0L);
            }));
        });
    }

    private Outcome Control(ServerRequest request, ServerChain chain)
    {
        var reader = request.Reader(57);
        reader.Skip(2);
        var code = reader.UInt32();
        reader.Skip(16);
        var input = reader.At(reader.UInt32(), reader.UInt32()).ToArray();
        reader.Skip(12);
        var most = (int)reader.UInt32();
        if (code == IoctlRequest.DfsGetReferrals && tree.Share.Referral is { } target)
            return Done(IoctlBody(code, Referral(target)));
        if (code != IoctlRequest.PipeTransceive)
            return Failed(code == IoctlRequest.DfsGetReferrals ? NtStatus.NotFound : NtStatus.InvalidDeviceRequest);
        return On(request, 57, 2 + 4, chain, (_, open) =>
        {
            if (open.Pipe is not { } pipe)
                return Failed(NtStatus.InvalidDeviceRequest);
            var answer = pipe(input);
            open.Unread = answer[Math.Min(most, answer.Length)..];
            return new Outcome(open.Unread.Length > 0 ? NtStatus.BufferOverflow : NtStatus.Success, IoctlBody(code, answer[..Math.Min(most, answer.Length)]));
        });
    }

    /// <summary>One entry of version 4 ([MS-DFSC] 2.2.5.4), with one text for all three names.</summary>
    private static byte[] Referral(string target) => SmbBody.Of(writer =>
    {
        writer.Write((ushort)0);
        writer.Write((ushort)1);
        writer.Write(0);
        writer.Write((ushort)4);
        writer.Write((ushort)34);
        writer.Write(0);
        writer.Write(300);
        for (var i = 0; i < 3; i++)
            writer.Write((ushort)34);
        writer.Write(new byte[16]);
        // Names of a referral begin with one backslash.
        writer.Write(Encoding.Unicode.GetBytes(target[1..] + "\0"));
    });

    private Outcome List(ServerRequest request, ServerChain chain)
    {
        var reader = request.Reader(33);
        var infoClass = reader.Byte();
        var restarts = (reader.Byte() & 1) != 0;
        reader.Skip(4 + 16);
        var pattern = reader.TextAt(reader.UInt16(), reader.UInt16());
        var most = (int)reader.UInt32();
        if (infoClass != 1)
            return Failed(NtStatus.InvalidInfoClass);
        return On(request, 33, 1 + 1 + 4, chain, (_, open) =>
        {
            if (!open.Node.IsDirectory)
                return Failed(NtStatus.InvalidParameter);
            if (Files.IsEndless)
                return Done(ListBody(Enumerable.Range(0, (int)Math.Min(MostEndlessEntries, most / 100)).Select(i => new TestNode($"e{i:D8}", false, null, default))));
            if (Files.IsEndlessWithoutNames)
                return Done(ListBody(Matching(open.Node, "*").Take(2)));
            var isFirst = open.Listing is null || restarts;
            if (isFirst)
                open.Listing = new Queue<TestNode>(Matching(open.Node, pattern));
            if (open.Listing!.Count == 0)
                return Failed(isFirst ? NtStatus.NoSuchFile : NtStatus.NoMoreFiles);
            var page = new List<TestNode>();
            for (var used = 0; open.Listing.TryPeek(out var next); page.Add(open.Listing.Dequeue()))
            {
                used = ((used + 7) & ~7) + 64 + (next.Name.Length * 2);
                if (used > most)
                    break;
            }
            return page.Count > 0 ? Done(ListBody(page)) : Failed(NtStatus.BufferTooSmall);
        });
    }

    private static IEnumerable<TestNode> Matching(TestNode directory, string pattern)
    {
        if (pattern == "*")
        {
            yield return new TestNode(".", isDirectory: true, parent: null, default);
            yield return new TestNode("..", isDirectory: true, parent: null, default);
        }
        foreach (var child in directory.Children.Values)
        {
            if (System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pattern, child.Name))
                yield return child;
        }
    }

    private static byte[] ListBody(IEnumerable<TestNode> page)
    {
        var entries = page.Select(Entry).ToArray();
        var data = SmbBody.Of(writer =>
        {
            for (var i = 0; i < entries.Length; i++)
            {
                var isLast = i == entries.Length - 1;
                var padded = isLast ? entries[i].Length : (entries[i].Length + 7) & ~7;
                BitConverter.TryWriteBytes(entries[i], isLast ? 0 : padded);
                writer.Write(entries[i]);
                writer.Write(new byte[padded - entries[i].Length]);
            }
        });
        return InfoBody(data);
    }

    /// <summary>FileDirectoryInformation ([MS-FSCC] 2.4.10), its NextEntryOffset still zero.</summary>
    private static byte[] Entry(TestNode node) => SmbBody.Of(writer =>
    {
        writer.Write(0);
        writer.Write(0);
        Facts(writer, node, allocationFirst: false);
        writer.Write((uint)node.Attributes);
        writer.Write(node.Name.Length * 2);
        writer.Write(Encoding.Unicode.GetBytes(node.Name));
    });

    private static byte[] InfoBody(byte[] data) => SmbBody.Of(writer =>
    {
        writer.Write((ushort)9);
        writer.Write((ushort)(SmbHeader.Bytes + 8));
        writer.Write(data.Length);
        writer.Write(data);
    });

    private Outcome Query(ServerRequest request, ServerChain chain)
    {
        var reader = request.Reader(41);
        var (type, infoClass) = (reader.Byte(), reader.Byte());
        return On(request, 41, 1 + 1 + 4 + 2 + 2 + 4 + 4 + 4, chain, (_, _) => type != 2 || infoClass != 7
            ? Failed(NtStatus.InvalidInfoClass)
            : Done(InfoBody(SmbBody.Of(writer =>
            {
                writer.Write((1L << 40) / 4096);
                writer.Write(Files.FreeBytes / 4096);
                writer.Write(Files.FreeBytes / 4096);
                writer.Write(8);
                writer.Write(512);
            }))));
    }

    private Outcome Set(ServerRequest request, ServerChain chain)
    {
        var reader = request.Reader(33);
        var (type, infoClass) = (reader.Byte(), reader.Byte());
        var (length, offset) = (reader.UInt32(), reader.UInt16());
        var data = reader.At(offset, length).ToArray();
        return On(request, 33, 1 + 1 + 4 + 2 + 2 + 4, chain, (_, open) =>
        {
            var status = (type, infoClass) switch
            {
                (1, 10) => Rename(open, data),
                (1, 13) => Delete(open, data),
                _ => NtStatus.InvalidInfoClass,
            };
            return status.IsError ? Failed(status) : Done([2, 0]);
        });
    }

    private NtStatus Rename(ServerOpen open, byte[] data)
    {
        var reader = new WireReader(data, "FileRenameInformation");
        var replaces = reader.Byte() != 0;
        reader.Skip(7 + 8);
        var name = reader.TextAt(20, reader.UInt32());
        return open.Access.HasFlag(SmbAccess.Delete) ? Files.Rename(open.Node, name, replaces) : NtStatus.AccessDenied;
    }

    private static NtStatus Delete(ServerOpen open, byte[] data)
    {
        if (!open.Access.HasFlag(SmbAccess.Delete))
            return NtStatus.AccessDenied;
        if (open.Node.Children.Count > 0)
            return NtStatus.DirectoryNotEmpty;
        open.Node.IsDeletePending = data is [not 0, ..];
        return NtStatus.Success;
    }
}
