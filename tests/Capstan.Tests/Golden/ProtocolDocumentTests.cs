using System.Text.Json;
using System.Text.RegularExpressions;
using Capstan.Tests.House;

namespace Capstan.Tests.Golden;

/// <summary>docs/protocol.md shows the golden files, all of them and as they are.</summary>
public sealed partial class ProtocolDocumentTests
{
    private static readonly string Text = Repository.Read("docs/protocol.md");

    private static string Folder => Path.Combine(Repository.Root, "tests", "Capstan.Tests", "Golden", "V1");

    [Fact]
    public void Every_example_is_its_golden_file()
    {
        var examples = Example().Matches(Text);
        Assert.NotEmpty(examples);
        Assert.All(examples, example =>
        {
            var golden = JsonElement.Parse(File.ReadAllText(Path.Combine(Folder, example.Groups["name"].Value)));
            Assert.True(JsonElement.DeepEquals(golden, JsonElement.Parse(example.Groups["json"].Value)), $"docs/protocol.md shows another {example.Groups["name"].Value} than the golden file");
        });
    }

    [Fact]
    public void Every_kind_of_document_has_an_example()
    {
        var shown = Example().Matches(Text).Select(example => example.Groups["name"].Value);
        // The sparse inventory and the upload repeat what other examples show.
        var kinds = Directory.GetFiles(Folder, "*.json").Select(Path.GetFileName).Except(["hardware-inventory-sparse.json", "upload.json"], StringComparer.Ordinal);
        Assert.Empty(kinds.Except(shown, StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("device-id.txt")]
    [InlineData("enrolment-token.txt")]
    public void Texts_are_their_golden_file(string name) => Assert.Contains(File.ReadAllText(Path.Combine(Folder, name)), Text, StringComparison.Ordinal);

    [GeneratedRegex("<!-- golden: (?<name>[a-z-]+\\.json) -->\n```json\n(?<json>.*?)\n```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5_000)]
    private static partial Regex Example();
}
