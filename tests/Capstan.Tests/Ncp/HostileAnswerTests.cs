using Capstan.Testing;
using Capstan.Testing.Fuzz;

namespace Capstan.Tests.Ncp;

/// <summary>Every answer of a whole session, cut at every byte and with every single bit turned, and noise.</summary>
public sealed class HostileAnswerTests
{
    [Fact]
    public async Task Every_prefix_and_every_single_bit_of_a_session_is_survived()
    {
        foreach (var answer in await AnswersAsync())
        {
            var packet = answer.AsSpan(8);
            for (var length = 0; length <= Math.Min(packet.Length, 700); length++)
            {
                NcpAnswerFuzz.Fuzz(packet[..length]);
                if (length > 8)
                    NcpAnswerFuzz.Fuzz(packet[8..length]);
            }
            for (var bit = 0; bit < Math.Min(packet.Length - 8, 300) * 8; bit++)
            {
                var turned = packet[8..].ToArray();
                turned[bit / 8] ^= (byte)(1 << (bit % 8));
                NcpAnswerFuzz.Fuzz(turned);
            }
        }
    }

    [Fact]
    public void Noise_is_survived()
    {
        var random = new Random(20261122);
        for (var round = 0; round < 5_000; round++)
        {
            var noise = new byte[random.Next(300)];
            random.NextBytes(noise);
            NcpAnswerFuzz.Fuzz(noise);
        }
    }

    private static async Task<IReadOnlyList<byte[]>> AnswersAsync()
    {
        var answers = new List<byte[]>();
        await using var world = new NcpWorld(rules =>
        {
            rules.Signing = Testing.Ncp.NcpServerSigning.Never;
            rules.Tamper = frame => answers.Add([.. frame]);
        });
        var (connection, bindery) = await world.LogInAsync();
        await bindery.InformationAsync(CancellationToken.None);
        await bindery.OfAsync(1, CancellationToken.None);
        await bindery.AddressOfAsync(1, CancellationToken.None);
        await bindery.ConnectionsOfAsync("capa", 1, CancellationToken.None);
        var volume = await NcpWorld.OpenAsync(connection);
        await volume.GetSpaceAsync(CancellationToken.None);
        foreach (var name in (string[])["one", "a second file.txt"])
            await (await volume.CreateAsync(name, CancellationToken.None)).CloseAsync(CancellationToken.None);
        Assert.Equal(2, (await volume.ListAsync("", CancellationToken.None).ToListAsync()).Count);
        await connection.CloseAsync(CancellationToken.None);
        return answers;
    }
}
