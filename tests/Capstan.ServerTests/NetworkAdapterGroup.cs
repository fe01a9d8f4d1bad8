namespace Capstan.ServerTests;

/// <summary>Tests that give this machine a network adapter, and tests that compare two looks at its adapters, run one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class NetworkAdapterGroup
{
    public const string Name = "Network adapters";
}
