using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Bench.Figures;

/// <summary>What a CAP of 20,000 clients costs to verify and to change.</summary>
internal static class ProtocolFigures
{
    public static async IAsyncEnumerable<Figure> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var site = new LargeSite(20_000);
        async Task Verify()
        {
            var client = new TufClient(site, new MemoryTrust(), TimeProvider.System);
            await client.TrustRootAsync(site.RootHash, 1, cancellationToken);
            await client.RefreshAsync(complete: true, cancellationToken);
            await client.ReadTargetAsync(Layout.PolicyTarget(site.Devices[7]), 1 << 20, cancellationToken);
        }
        var cold = await FigureTable.MedianSecondsAsync(20, Verify);
        yield return new("verify a CAP of 20,000 clients, empty cache, warm process", Text($"{cold * 1000:0.0} ms"), "≤ 100 ms");

        var written = site.ChangeOnePolicy(site.Devices[7]);
        yield return new("metadata written per policy change, 20,000 clients", Text($"{written.Sum(file => file.Content.Length) / 1000.0:0.0} KB in {written.Count} files"), "23 to 58 KB");
        yield return new("timestamp.json, read by every idle poll", Text($"{written.Single(file => file.IsPointer).Content.Length} bytes"), "288 polls within 200 KB");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
