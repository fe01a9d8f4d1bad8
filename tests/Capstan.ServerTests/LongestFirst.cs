using Capstan.ServerTests;
using Capstan.ServerTests.Arbiter;
using Capstan.ServerTests.Builds;
using Capstan.ServerTests.Distribution;
using Capstan.ServerTests.Fleet;
using Capstan.ServerTests.Mswnet;
using Capstan.ServerTests.Packages;
using Capstan.ServerTests.Programs;
using Capstan.ServerTests.Up;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace Capstan.ServerTests;

/// <summary>Starts the classes that take longest before all others, so that none of them runs alone at the end.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    /// <summary>By the times in artifacts/Capstan.ServerTests.json of a run on 2026-11-23; half of all.</summary>
    private static readonly Type[] s_longest =
    [
        typeof(KilledInstallationTests), typeof(DistributionTests), typeof(ProcessTests), typeof(ShareChainTests), typeof(NativePackageTests), typeof(AgentUpgradeTests), typeof(KilledClientTests),
        typeof(RemovalTests), typeof(SystemdProgramTests), typeof(KilledUpTests), typeof(FleetTests),
    ];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : notnull, ITestCollection =>
        [.. testCollections.OrderBy(collection => Array.FindIndex(s_longest, type => collection.TestCollectionDisplayName.Contains(type.FullName!, StringComparison.Ordinal)) is >= 0 and var place ? place : s_longest.Length)];
}
