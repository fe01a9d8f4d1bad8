using System.Buffers.Binary;
using System.Text;
using Capstan.Smb.Connection;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Files;

/// <summary>Where a DFS path leads ([MS-DFSC] 2.2). This client does not follow: it says where to point it.</summary>
internal static class DfsReferral
{
    private const int MaxAnswerBytes = 8192;
    private const int Level = 4;

    /// <summary>The failure to report for a path that the server does not hold itself.</summary>
    /// <param name="path"><c>\\server\share\…</c></param>
    /// <param name="command">What the server refused.</param>
    public static async ValueTask<SmbException> DescribeAsync(SmbSession session, string path, SmbCommand command, CancellationToken cancellationToken)
    {
        string? target = null;
        try
        {
            target = await AskAsync(session, path, cancellationToken);
        }
        catch (SmbException)
        {
            // The answer would only have made the message better.
        }
        var where = target is null ? "the server does not say where it leads" : $"use {target} instead";
        return new SmbException(SmbFailure.Unsupported, $"{path} is a DFS link, which is not followed: {where}", SmbCompletion.Refused, command, NtStatus.PathNotCovered)
        {
            DfsTarget = target,
        };
    }

    /// <summary>The first target of an answer; null when there is none.</summary>
    public static string? ReadTarget(ReadOnlySpan<byte> answer)
    {
        var reader = new WireReader(answer, "DFS referral");
        reader.Skip(2);
        if (reader.UInt16() == 0)
            return null;
        reader.Skip(4);
        var entry = new WireReader(answer[reader.Position..], "DFS referral");
        var version = entry.UInt16();
        entry.Skip(6);
        // Version 1 holds the text itself; 2 has two numbers before the three offsets, 3 and 4 have one.
        if (version == 1)
            return Text(entry, entry.Position);
        entry.Skip(version == 2 ? 8 + 4 : 4 + 4);
        return Text(entry, entry.UInt16());
    }

    private static string Text(WireReader entry, int offset)
    {
        var bytes = entry.At(offset, Math.Max(entry.Length - offset, 0));
        for (var i = 0; i + 1 < bytes.Length; i += 2)
        {
            if (BinaryPrimitives.ReadUInt16LittleEndian(bytes[i..]) == 0)
                return @"\" + Encoding.Unicode.GetString(bytes[..i]);
        }
        throw entry.Malformed("the target's name has no end");
    }

    private static async ValueTask<string?> AskAsync(SmbSession session, string path, CancellationToken cancellationToken)
    {
        // A referral names paths with one leading backslash (2.2.2).
        var name = path[1..];
        var input = new byte[2 + (name.Length * 2) + 2];
        Fill(input, name);
        var ipc = await session.ConnectTreeAsync("IPC$", cancellationToken);
        try
        {
            using var answer = await session.Connection.CallAsync(ipc.Route, new IoctlRequest(IoctlRequest.DfsGetReferrals, FileId.None, input, MaxAnswerBytes), orphaned: null, cancellationToken);
            return answer.Status.IsError ? null : ReadTarget(IoctlResponse.Output(answer.Message, MaxAnswerBytes));
        }
        finally
        {
            await ipc.DisconnectAsync(cancellationToken);
        }
    }

    private static void Fill(byte[] input, string name)
    {
        var writer = new WireWriter(input);
        writer.UInt16(Level);
        writer.Text(name);
        writer.UInt16(0);
    }
}
