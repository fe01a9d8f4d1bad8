using Capstan.Tests.Client.Programs;
using Capstan.Tests.Client.Programs.Gate;
using Capstan.Tests.Lives;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(Capstan.Tests.WaitingFirst))]

namespace Capstan.Tests;

/// <summary>Classes that take long alone, because their programs wait or their worlds are large, begin first: begun last, one of them keeps a processor while the other has nothing left to do.</summary>
public sealed class WaitingFirst : ITestCollectionOrderer
{
    private static readonly string[] s_first =
        [.. new[] { typeof(UnrulyProgramTests), typeof(ProgramGateTests), typeof(ProgramLoopTests), typeof(LivesTests), typeof(HostileProgramTests) }.Select(type => type.FullName!)];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(collection => Place(collection.TestCollectionDisplayName)).ThenBy(collection => collection.TestCollectionDisplayName, StringComparer.Ordinal)];

    /// <param name="name">Of a collection that is one class: <c>Test collection for Capstan.Tests.Name (id: …)</c>.</param>
    private static int Place(string name)
    {
        var place = Array.FindIndex(s_first, first => name.Contains(first + " ", StringComparison.Ordinal));
        return place < 0 ? s_first.Length : place;
    }
}
