using Capstan.Protocol.Jose;
using Capstan.Testing.Keys;

namespace Capstan.Tests.Protocol;

/// <summary>The platform's keys.</summary>
public sealed class PlatformKeyTests : KeyConformance
{
    protected override void Begin()
    {
    }
}

/// <summary>The keys of the simulations.</summary>
public sealed class FakeKeyTests : KeyConformance
{
    protected override void Begin() => P256.Use(new FakeKeys(new Random(1)));
}
