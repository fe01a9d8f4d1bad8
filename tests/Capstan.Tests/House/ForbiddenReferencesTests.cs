using System.Reflection;
using System.Xml.Linq;

namespace Capstan.Tests.House;

/// <summary>The arrows of docs/architecture.md, and why the others are forbidden.</summary>
public sealed class ForbiddenReferencesTests
{
    /// <summary>All that each project may use of ours. What is absent is forbidden.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["Capstan.Smb"] = [],
        ["Capstan.Ncp"] = [],
        ["Capstan.Nal"] = ["Capstan.Smb", "Capstan.Ncp"],
        ["Capstan.Protocol"] = [],
        ["Capstan.Client"] = ["Capstan.Nal", "Capstan.Protocol"],
        ["Capstan.Agent"] = ["Capstan.Client", "Capstan.Nal", "Capstan.Protocol"],
        ["Capstan.Site"] = ["Capstan.Nal", "Capstan.Protocol"],
        ["Capstan.Cli"] = ["Capstan.Site", "Capstan.Client", "Capstan.Protocol", "Capstan.Nal"],
        ["Capstan.Fleet"] = ["Capstan.Client", "Capstan.Nal", "Capstan.Protocol"],
    };

    /// <summary>Packages that must not reach a project, each with its reason.</summary>
    public static TheoryData<string, string, string> ForbiddenPackages => new()
    {
        { "Capstan.Nal", "Microsoft.Data.Sqlite", "the NAL is a library that others use alone; its journal is files" },
        { "Capstan.Nal", "Microsoft.AspNetCore", "the NAL hosts nothing" },
        { "Capstan.Protocol", "Microsoft.Extensions", "documents decide nothing about hosting or logging" },
        { "Capstan.Client", "Dapper", "reflection does not survive trimming" },
        { "Capstan.Client", "Microsoft.AspNetCore", "the agent serves nothing" },
        { "Capstan.Agent", "Spectre.Console", "the trimmed agent prints plain text" },
        { "Capstan.Site", "Spectre.Console", "a server has no terminal" },
        { "Capstan.Fleet", "Microsoft.AspNetCore", "its clients are those of the agent, which serve nothing" },
    };

    [Fact]
    public void Projects_use_only_the_rooms_that_the_architecture_allows()
    {
        foreach (var (project, allowed) in Allowed)
        {
            var references = References(project, "ProjectReference").Select(path => Path.GetFileNameWithoutExtension(path)!);
            Assert.Empty(references.Except(allowed, StringComparer.Ordinal));
        }
    }

    [Fact]
    public void Every_project_of_the_product_is_listed_here()
    {
        var projects = Directory.EnumerateDirectories(Path.Combine(Repository.Root, "src")).Select(Path.GetFileName).Append("Capstan.Fleet");
        Assert.Equal(Allowed.Keys.Order(StringComparer.Ordinal), projects.Order(StringComparer.Ordinal)!);
    }

    [Theory]
    [MemberData(nameof(ForbiddenPackages))]
    public void A_forbidden_package_does_not_reach_the_project(string project, string package, string reason)
    {
        var references = References(project, "PackageReference").Concat(References(project, "FrameworkReference"))
            .Where(name => name.StartsWith(package, StringComparison.Ordinal))
            .Where(name => name is not ("Microsoft.Extensions.Logging" or "Microsoft.Extensions.Logging.Abstractions"));
        Assert.True(!references.Any(), $"{project} must not use {package}: {reason}");
        var assemblies = Assembly.Load(AssemblyOf(project)).GetReferencedAssemblies();
        Assert.DoesNotContain(assemblies, name => name.Name!.StartsWith(package, StringComparison.Ordinal)
            && !name.Name.StartsWith("Microsoft.Extensions.Logging", StringComparison.Ordinal));
    }

    [Fact]
    public void Console_uses_the_public_api_and_never_the_store()
    {
        var console = Path.Combine(Repository.Root, "src", "Capstan.Site", "Console");
        foreach (var file in Directory.EnumerateFiles(console, "*", SearchOption.AllDirectories).Where(IsCode))
        {
            var text = File.ReadAllText(file);
            foreach (var room in (string[])["Capstan.Site.Store", "Capstan.Site.Load", "Capstan.Site.Publish"])
                Assert.False(text.Contains(room, StringComparison.Ordinal), $"{Path.GetFileName(file)} uses {room}: what the console shows, the API must offer to everybody");
        }
    }

    private static bool IsCode(string file) => file.EndsWith(".cs", StringComparison.Ordinal) || file.EndsWith(".razor", StringComparison.Ordinal);

    private static string AssemblyOf(string project) => project switch
    {
        "Capstan.Agent" => "capstan-client",
        "Capstan.Cli" => "capstan",
        "Capstan.Fleet" => "capstan-fleet",
        _ => project,
    };

    private static IEnumerable<string> References(string project, string kind) =>
        XDocument.Parse(Repository.Read($"{(project == "Capstan.Fleet" ? "bench" : "src")}/{project}/{project}.csproj")).Descendants(kind).Select(element => element.Attribute("Include")!.Value);
}
