using Capstan.Smb;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Smb.Connection;

public sealed class NegotiationTests
{
    public static TheoryData<SmbDialect> Dialects => [SmbDialect.Smb202, SmbDialect.Smb210, SmbDialect.Smb300, SmbDialect.Smb302, SmbDialect.Smb311];

    [Theory]
    [MemberData(nameof(Dialects))]
    public async Task A_file_is_written_and_read_in_every_dialect(SmbDialect dialect)
    {
        await using var world = await SmbWorld.OpenAsync(rules => rules.Most = dialect);
        Assert.Equal(dialect, world.Connection.Dialect);
        var content = new byte[200_000];
        new Random(1).NextBytes(content);
        await world.Tree.ReplaceAsync("t.tmp", "t.bin", content, flush: true, CancellationToken.None);
        var read = await world.Tree.ReadAllAsync("t.bin", long.MaxValue, CancellationToken.None);
        Assert.Equal(content, read.Bytes);
        Assert.Equal(content, world.Server.Files.Content("t.bin"));
    }
}
