using System.Runtime.CompilerServices;
using Capstan.Client.Content;

namespace Capstan.Tests.Client.Content;

/// <summary>It knows what a dictionary would, in less room.</summary>
public sealed class WantedChunksTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1_000)]
    [InlineData(20_000)]
    public void It_knows_what_a_dictionary_knows(int expected)
    {
        var random = new Random(expected);
        var known = new Dictionary<ulong, (bool IsRepeated, int Place)>();
        var wanted = new WantedChunks(expected);
        for (var i = 0; i < 10_000; i++)
        {
            // Few keys at the ends of the table, so that they meet there; zero is a key as any other.
            var key = (i % 4) switch { 0 => (ulong)random.Next(50), 1 => ulong.MaxValue - (ulong)random.Next(50), _ => (ulong)random.NextInt64() };
            ref var found = ref wanted.Find(key);
            Assert.Equal(known.ContainsKey(key), !Unsafe.IsNullRef(ref found));
            if (Unsafe.IsNullRef(ref found))
            {
                wanted.Add(key);
                known.Add(key, (false, -1));
                found = ref wanted.Find(key);
            }
            switch (random.Next(3))
            {
                case 0:
                    found = found with { IsRepeated = true };
                    known[key] = known[key] with { IsRepeated = true };
                    break;
                case 1:
                    found = found with { Place = i };
                    known[key] = known[key] with { Place = i };
                    break;
            }
        }
        Assert.Equal(known.Count, wanted.Count);
        foreach (var (key, value) in known)
            Assert.Equal(value, (wanted.Find(key).IsRepeated, wanted.Find(key).Place));
    }
}
