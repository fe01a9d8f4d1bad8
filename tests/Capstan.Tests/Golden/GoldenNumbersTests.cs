using System.Globalization;
using System.Text;
using Capstan.Nal;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Tests.Golden;

/// <summary>Numbers that are stored or sent: in quarantine, in status messages, in journals.</summary>
public sealed class GoldenNumbersTests
{
    private static readonly Type[] Pinned = [typeof(ProtocolError), typeof(TufState), typeof(NalError), typeof(Completion)];

    [Fact]
    public void A_number_keeps_its_meaning()
    {
        var now = Pinned.SelectMany(type => Enum.GetNames(type), (type, name) =>
            $"{type.Name}.{name} = {Convert.ToInt64(Enum.Parse(type, name), CultureInfo.InvariantCulture)}").ToArray();
        var golden = Encoding.UTF8.GetString(GoldenFile.Read("numbers.txt", () => Encoding.UTF8.GetBytes(string.Join('\n', now) + "\n")))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(!golden.Except(now, StringComparer.Ordinal).Any(),
            $"Gone or changed: {string.Join(", ", golden.Except(now, StringComparer.Ordinal))}. These numbers are in databases and on storage: put the old ones back and give the new meaning a new number.");
        Assert.True(!now.Except(golden, StringComparer.Ordinal).Any(),
            $"New: {string.Join(", ", now.Except(golden, StringComparer.Ordinal))}. Append these lines to Golden/V1/numbers.txt; from then on they stay.");
    }
}
