using System.Reflection;
using Capstan.Testing;
using Capstan.Tests.House;

namespace Capstan.Tests.Fuzz;

/// <summary>Every <c>XxxFuzz</c> of <c>Capstan.Testing.Fuzz</c> on its corpus (<c>Corpus/Xxx/</c>), and on seeded mutations of it.</summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    private delegate void Target(ReadOnlySpan<byte> data);

    private const int Seed = 20261122;
    private const int MutationsPerTarget = 250;

    public static TheoryData<string> Targets =>
        [.. typeof(FixedKeys).Assembly.GetTypes().Where(type => Find(type) is not null).Select(type => type.Name).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void A_target_holds_on_its_corpus(string target)
    {
        var fuzz = Bind(target);
        foreach (var (name, data) in Corpus(target))
            Run(fuzz, data, $"{target} on {name}");
        fuzz([]);
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void A_target_holds_on_mutations_of_its_corpus(string target)
    {
        output.WriteLine($"seed {Seed}");
        var fuzz = Bind(target);
        var corpus = Corpus(target).Select(file => file.Data).ToArray();
        var random = new Random(Seed);
        for (var i = 0; i < MutationsPerTarget; i++)
            Run(fuzz, Mutation.Of(corpus, random), $"{target}, seed {Seed}, mutation {i}");
    }

    /// <summary>A finding prints its input, so that it can become a file of the corpus.</summary>
    private static void Run(Target fuzz, byte[] data, string what)
    {
        try
        {
            fuzz(data);
        }
        catch (Exception e)
        {
            Assert.Fail($"{what}: {e}\nInput, base64; add it to the corpus when mended:\n{Convert.ToBase64String(data)}");
        }
    }

    private static (string Name, byte[] Data)[] Corpus(string target)
    {
        var folder = Path.Combine(Repository.Root, "tests", "Capstan.Tests", "Corpus", target[..^"Fuzz".Length]);
        var files = Directory.Exists(folder) ? Directory.GetFiles(folder) : [];
        Assert.True(files.Length > 0, $"{target} has no corpus: put at least one good and one bad input into {folder}");
        return [.. files.Order(StringComparer.Ordinal).Select(file => (Path.GetFileName(file), File.ReadAllBytes(file)))];
    }

    private static Target Bind(string target) =>
        Find(typeof(FixedKeys).Assembly.GetType($"Capstan.Testing.Fuzz.{target}", throwOnError: true)!)!.CreateDelegate<Target>();

    private static MethodInfo? Find(Type type) =>
        type is { Namespace: "Capstan.Testing.Fuzz", IsPublic: true } && type.Name.EndsWith("Fuzz", StringComparison.Ordinal)
            ? type.GetMethod("Fuzz", [typeof(ReadOnlySpan<byte>)])
            : null;
}
