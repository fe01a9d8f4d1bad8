using Xunit;

namespace Capstan.Testing;

/// <summary>Runs that take minutes: with <c>./test --long</c> only.</summary>
public static class LongRun
{
    public static bool IsAsked => Environment.GetEnvironmentVariable("CAPSTAN_LONG") == "1";

    public static void SkipUnlessAsked() => Assert.SkipUnless(IsAsked, "a long run: ./test --long, or CAPSTAN_LONG=1");
}
