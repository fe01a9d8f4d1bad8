namespace Capstan.Tests.Fuzz;

/// <summary>Damages one input of a corpus as storage, lines and enemies do.</summary>
internal static class Mutation
{
    /// <summary>Bytes that mean something in JSON, base64url or compact serializations.</summary>
    private static ReadOnlySpan<byte> Meaningful => "{}[]\",:.\\-_=u0129eE+ntf\0\u007f"u8;

    public static byte[] Of(byte[][] corpus, Random random)
    {
        var data = corpus[random.Next(corpus.Length)].ToList();
        for (var times = random.Next(1, 5); times > 0; times--)
            Apply(data, corpus, random);
        return [.. data];
    }

    private static void Apply(List<byte> data, byte[][] corpus, Random random)
    {
        var at = random.Next(data.Count + 1);
        var length = Math.Min(random.Next(1, 33), data.Count - at);
        switch (random.Next(7))
        {
            case 0 when at < data.Count: data[at] ^= (byte)(1 << random.Next(8)); break;
            case 1 when at < data.Count: data[at] = Meaningful[random.Next(Meaningful.Length)]; break;
            case 2: data.Insert(at, Meaningful[random.Next(Meaningful.Length)]); break;
            case 3: data.RemoveRange(at, length); break;
            case 4: data.InsertRange(at, data.GetRange(at, length)); break;
            case 5: data.RemoveRange(at, data.Count - at); break;
            default:
                var other = corpus[random.Next(corpus.Length)];
                var from = random.Next(other.Length + 1);
                data.InsertRange(at, other.AsSpan(from, Math.Min(random.Next(64), other.Length - from)));
                break;
        }
    }
}
