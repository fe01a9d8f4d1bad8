using System.Buffers.Binary;
using Capstan.Smb;
using Capstan.Smb.Wire;
using Capstan.Testing.Fuzz;
using Capstan.Testing.Smb;
using Capstan.Tests.Smb.Connection;

namespace Capstan.Tests.Smb.Wire;

/// <summary>Every answer of a whole session, cut at every byte and with every single bit turned: a decoder ends in a value or in its one exception.</summary>
public sealed class HostileAnswerTests
{
    [Fact]
    public async Task Every_prefix_and_every_single_bit_of_a_session_is_survived()
    {
        foreach (var answer in await AnswersAsync())
        {
            for (var length = 0; length <= answer.Length; length++)
                SmbAnswerFuzz.Fuzz(answer.AsSpan(0, length));
            // Long ones are all alike behind the first entries.
            for (var bit = 0; bit < Math.Min(answer.Length, 400) * 8; bit++)
            {
                byte[] turned = [.. answer];
                turned[bit / 8] ^= (byte)(1 << (bit % 8));
                SmbAnswerFuzz.Fuzz(turned);
            }
        }
    }

    [Fact]
    public async Task Random_numbers_in_place_of_fields_are_survived()
    {
        var random = new Random(20261122);
        foreach (var answer in await AnswersAsync())
        {
            for (var i = 0; i < 300; i++)
            {
                byte[] changed = [.. answer];
                for (var times = random.Next(1, 4); times > 0; times--)
                    BinaryPrimitives.WriteUInt32LittleEndian(changed.AsSpan(random.Next(changed.Length - 4)), random.Next(3) switch { 0 => uint.MaxValue, 1 => 0x7FFFFFFF, _ => (uint)random.Next() });
                SmbAnswerFuzz.Fuzz(changed);
            }
        }
    }

    [Fact]
    public void A_compound_of_entries_that_points_into_itself_ends()
    {
        // NextEntryOffset 8 would make entries out of one for ever.
        var message = new byte[SmbHeader.Bytes + 8 + 128];
        message[SmbHeader.Bytes] = 9;
        message[SmbHeader.Bytes + 2] = SmbHeader.Bytes + 8;
        message[SmbHeader.Bytes + 4] = 128;
        message[SmbHeader.Bytes + 8] = 8;
        Assert.Throws<SmbProtocolException>(() => QueryDirectoryResponse.Read(message, 128));
    }

    /// <summary>The answers of a session, without their frames, one of each form.</summary>
    private static async Task<List<byte[]>> AnswersAsync()
    {
        List<byte[]> answers = [];
        await using var world = await SmbWorld.ConnectAsync(rules => rules.Most = SmbDialect.Smb302, prepare: server =>
        {
            foreach (var command in new[] { SmbCommand.Negotiate, SmbCommand.SessionSetup, SmbCommand.TreeConnect, SmbCommand.Create, SmbCommand.Read, SmbCommand.Write,
                SmbCommand.Ioctl, SmbCommand.QueryDirectory, SmbCommand.QueryInfo, SmbCommand.Close })
                server.Play(new SmbTrick(command, SmbTrickKind.AlterBefore, Nth: 1, Alter: answer => answers.Add([.. answer])));
        });
        var session = await world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None);
        var tree = await session.ConnectTreeAsync("data", CancellationToken.None);
        await tree.ReplaceAsync("t", "a", new byte[] { 1, 2, 3 }, flush: true, CancellationToken.None);
        await tree.ReadAllAsync("a", 10, CancellationToken.None);
        await tree.GetSpaceAsync(CancellationToken.None);
        await foreach (var entry in tree.ListAsync("", "*", CancellationToken.None))
            Assert.Equal("a", entry.Name);
        Assert.Equal(10, answers.Count);
        return answers;
    }
}
