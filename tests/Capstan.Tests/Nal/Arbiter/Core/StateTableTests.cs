using Capstan.Tests.House;

namespace Capstan.Tests.Nal.Arbiter.Core;

/// <summary>docs/arbiter.md shows what the core does in each state, as it is driven here.</summary>
public sealed class StateTableTests
{
    private const string Begin = "<!-- states: begin -->\n";
    private const string End = "<!-- states: end -->";

    /// <summary>With CAPSTAN_WRITE_DOCS=1 the section is written instead of compared.</summary>
    [Fact]
    public void The_document_shows_every_state_and_event_as_the_core_behaves()
    {
        var text = Repository.Read("docs/arbiter.md");
        var begin = text.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        var end = text.IndexOf(End, StringComparison.Ordinal);
        Assert.True(begin >= Begin.Length && end >= begin, $"docs/arbiter.md has no section between {Begin.Trim()} and {End}");
        var actual = StateTable.Markdown() + "\n";
        if (Environment.GetEnvironmentVariable("CAPSTAN_WRITE_DOCS") == "1")
        {
            File.WriteAllText(Path.Combine(Repository.Root, "docs", "arbiter.md"), $"{text[..begin]}{actual}{text[end..]}");
            return;
        }
        var expected = text[begin..end];
        Assert.True(expected == actual, $"The core does not behave as docs/arbiter.md says, first at: {FirstDifference(expected, actual)}\n"
            + "If the new behaviour is meant, run this test once with CAPSTAN_WRITE_DOCS=1, read the difference, and commit it.");
    }

    private static string FirstDifference(string expected, string actual)
    {
        var (said, done) = (expected.Split('\n'), actual.Split('\n'));
        var line = Enumerable.Range(0, Math.Min(said.Length, done.Length)).FirstOrDefault(i => said[i] != done[i], Math.Min(said.Length, done.Length));
        return $"line {line + 1}\n  document: {said.ElementAtOrDefault(line)}\n  core:     {done.ElementAtOrDefault(line)}";
    }
}
