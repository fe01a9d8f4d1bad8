using Capstan.Smb;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Smb.Connection;

/// <summary>However the server grants credits, everything gets done and no id is used that was not granted (the server complains else).</summary>
public sealed class CreditTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(17)]
    [InlineData(512)]
    public async Task Much_is_done_with_few_credits(int credits)
    {
        await using var world = await SmbWorld.OpenAsync(rules => rules.Credits = SmbServerRules.AtMost(credits));
        await WorkAsync(world);
    }

    [Fact]
    public async Task Answers_without_credits_are_survived()
    {
        // Three answers of four bring none; the fourth brings all that were held back.
        await using var world = await SmbWorld.OpenAsync(rules => rules.Credits = question =>
            question.Held == 0 || question.Answered % 4 == 0 ? Math.Clamp(64 - question.Held, 1, 64) : 0);
        await WorkAsync(world);
    }

    [Fact]
    public async Task Dialects_without_multi_credit_requests_pay_one_for_each()
    {
        await using var world = await SmbWorld.OpenAsync(rules => (rules.Most, rules.HasLargeMtu) = (SmbDialect.Smb202, false));
        Assert.Equal(65536, world.Connection.MaxReadBytes);
        await WorkAsync(world);
    }

    [Fact]
    public async Task A_server_that_takes_credits_back_stalls_nobody()
    {
        var most = 256;
        await using var world = await SmbWorld.OpenAsync(rules => rules.Credits = question => Math.Max(Volatile.Read(ref most) - question.Held, question.Held == 0 ? 1 : 0));
        await WorkAsync(world);
        Volatile.Write(ref most, 4);
        // Each answer takes some back: what was planned with those of before is not sent, and says so at once. When all are gone that the server takes, all goes again.
        for (var round = 0; !await GoesAsync(world); round++)
            Assert.InRange(round, 0, 20);
    }

    private static async Task<bool> GoesAsync(SmbWorld world)
    {
        try
        {
            await WorkAsync(world);
            return true;
        }
        catch (SmbException cause) when (cause.Completion == SmbCompletion.NotSent)
        {
            return false;
        }
    }

    /// <summary>Large transfers among small requests, from many callers at once.</summary>
    private static async Task WorkAsync(SmbWorld world)
    {
        var content = new byte[700_000];
        new Random(7).NextBytes(content);
        var work = Enumerable.Range(0, 12).Select(async i =>
        {
            var name = $"f{i}";
            if (i % 4 == 0)
                await world.Tree.ReplaceAsync($"{name}.tmp", name, content, flush: false, CancellationToken.None);
            else
                await world.Tree.ReplaceAsync($"{name}.tmp", name, content.AsMemory(0, i), flush: false, CancellationToken.None);
            var read = await world.Tree.ReadAllAsync(name, long.MaxValue, CancellationToken.None);
            Assert.Equal(i % 4 == 0 ? content : content[..i], read.Bytes);
        }).ToArray();
        await Task.WhenAll(work);
    }
}
