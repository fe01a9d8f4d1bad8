using System.Text;
using System.Text.Json;
using Capstan.Cli;
using Capstan.Cli.Verbs;
using Capstan.Nal.Paths;

namespace Capstan.Tests.Cli;

public sealed class NalVerbTests
{
    [Fact]
    public async Task A_file_goes_in_is_listed_comes_out_and_is_removed()
    {
        using var run = new CliRun { Input = new MemoryStream("hello"u8.ToArray()) };
        var file = Path.Combine(run.Directory, "note.txt");
        Assert.Equal(ExitCode.Done, await run.RunAsync("nal", "put", "-", file));
        Assert.Equal("hello", await File.ReadAllTextAsync(file));
        Assert.Equal(ExitCode.Done, await run.RunAsync("nal", "ls", run.Directory, "-o", "json"));
        using var listed = JsonDocument.Parse(run.Out);
        Assert.Equal("note.txt", listed.RootElement[0].GetProperty("name").GetString());
        Assert.Equal(5, listed.RootElement[0].GetProperty("lengthBytes").GetInt64());
        Assert.Equal(ExitCode.Done, await run.RunAsync("nal", "cat", NalPath.FromDirectory(file).ToString()));
        Assert.Equal("hello", Encoding.UTF8.GetString(run.Bytes));
        Assert.Equal(ExitCode.Done, await run.RunAsync("nal", "rm", new Uri(file).AbsoluteUri));
        Assert.False(File.Exists(file));
    }

    [Fact]
    public async Task A_name_that_is_taken_is_not_overwritten_without_asking()
    {
        using var run = new CliRun { Input = new MemoryStream("new"u8.ToArray()) };
        var file = Path.Combine(run.Directory, "note.txt");
        await File.WriteAllTextAsync(file, "old");
        Assert.Equal(ExitCode.Failed, await run.RunAsync("nal", "put", "-", file));
        Assert.Contains("--replace", run.Error, StringComparison.Ordinal);
        Assert.Equal("old", await File.ReadAllTextAsync(file));
        using var again = new CliRun { Input = new MemoryStream("new"u8.ToArray()) };
        Assert.Equal(ExitCode.Done, await again.RunAsync("nal", "put", "-", file, "--replace"));
        Assert.Equal("new", await File.ReadAllTextAsync(file));
    }

    [Theory]
    [InlineData("ls", "missing")]
    [InlineData("cat", "missing")]
    [InlineData("stat", "missing")]
    [InlineData("rm", "missing")]
    public async Task What_is_not_there_ends_with_4(string verb, string name)
    {
        using var run = new CliRun();
        Assert.Equal(ExitCode.NotFound, await run.RunAsync("nal", verb, Path.Combine(run.Directory, name)));
        Assert.NotEmpty(run.Error);
    }

    [Fact]
    public async Task Explain_names_the_candidate_and_its_outcome()
    {
        using var run = new CliRun { Width = 200 };
        Assert.Equal(ExitCode.Done, await run.RunAsync("nal", "explain", run.Directory));
        Assert.Contains("usable", run.Out, StringComparison.Ordinal);
        Assert.Contains(NalPath.FromDirectory(run.Directory).ToString(), run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Explain_shows_the_candidates_also_of_a_failure()
    {
        using var run = new CliRun { Width = 200 };
        var missing = Path.Combine(run.Directory, "missing");
        Assert.Equal(ExitCode.NotFound, await run.RunAsync("nal", "explain", missing, "-o", "json"));
        using var explained = JsonDocument.Parse(run.Out);
        Assert.Equal("NotFound", explained.RootElement.GetProperty("candidates")[0].GetProperty("error").GetString());
        Assert.NotEmpty(run.Error);
    }

    [Theory]
    [InlineData(@"LOCAL:\\srv\cap\README.txt", @"LOCAL:\\srv\cap\", "README.txt")]
    [InlineData(@"LOCAL:\\srv", @"LOCAL:\\", "srv")]
    [InlineData(@"LOCAL:\\", @"LOCAL:\\", "")]
    [InlineData(@"MSWNET:[""SMS_SITE=ABC""]\\fs1\cap\a.txt", @"MSWNET:[""SMS_SITE=ABC""]\\fs1\cap\", "a.txt")]
    public void An_entry_is_its_directory_and_its_name(string path, string parent, string name)
    {
        var split = NalSession.Split(NalPath.Parse(path));
        Assert.Equal(NalPath.Parse(parent), split.Parent);
        Assert.Equal(name, split.Name.Value);
    }
}
