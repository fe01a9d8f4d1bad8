using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Tests.Golden;

namespace Capstan.Tests.Protocol.V1;

public sealed class AdvertisementTests
{
    private static readonly Advertisement s_good = Examples.Advertisement;

    private static readonly Dictionary<string, (Advertisement Bad, string Says)> s_bad = new(StringComparer.Ordinal)
    {
        ["no site"] = (s_good with { SiteCode = "CON" }, "siteCode must be three characters"),
        ["an id of another form"] = (s_good with { AdvertisementId = "../../x" }, "advertisementId must be 8 characters a-z 2-7"),
        ["a name of two lines"] = (s_good with { Name = "a\nb" }, "name must not have control characters"),
        ["a purpose"] = (s_good with { Purpose = "maybe" }, "purpose must be one of required, available"),
        ["a program above its package"] = (Program(s_good.Offer.Program with { Command = ["../../bin/sh"] }), "offer.program.command must begin with a path inside the package"),
        ["a program from the root"] = (Program(s_good.Offer.Program with { Command = ["/bin/sh"] }), "offer.program.command must begin with a path inside the package"),
        ["an empty command"] = (Program(s_good.Offer.Program with { Command = [] }), "offer.program.command must begin with a path inside the package"),
        ["an argument that ends early"] = (Program(s_good.Offer.Program with { Command = ["a", "b\0c"] }), "offer.program.command[1] must have at most 4096 characters, and no zero"),
        ["neither command nor native"] = (Program(s_good.Offer.Program with { Command = null }), "offer.program.command must be given, or native, not both"),
        ["an option that is a file"] = (Program(s_good.Offer.First!.Program with { Native = s_good.Offer.First.Program.Native! with { Options = ["/etc/passwd"] } }), "offer.program.native.options[0] must begin with -"),
        ["a package that is an option"] = (Program(s_good.Offer.First!.Program with { Native = s_good.Offer.First.Program.Native! with { Package = "--root=/" } }), "offer.program.native.package must be the name of a package"),
        ["a code of two meanings"] = (Program(s_good.Offer.Program with { RetryCodes = [0] }), "must name each code once"),
        ["no time"] = (Program(s_good.Offer.Program with { TimeLimitSeconds = 0 }), "offer.program.timeLimitSeconds must be from 10 to 604800"),
        ["a variable that is two"] = (Program(s_good.Offer.Program with { Environment = [new EnvironmentVariable("A=B", "")] }), "offer.program.environment[0].name must have letters"),
        ["a removal that installs"] = (Program(s_good.Offer.Program with { Removal = new ProgramRemoval { Native = s_good.Offer.First!.Program.Native } }), "offer.program.removal.native must remove"),
        ["rings that fall"] = (s_good with { Rings = [new RolloutRing(50, 2), new RolloutRing(100, 1)] }, "rings must rise"),
        ["rings that end early"] = (s_good with { Rings = [new RolloutRing(50, 2)] }, "rings must end with 100 percent"),
        ["no rings"] = (s_good with { Rings = [] }, "rings must end with 100 percent"),
        ["two kinds of recurrence"] = (s_good with { Recurrence = new Recurrence { EverySeconds = 3_600, MinuteOfDay = 3, TimeZone = "utc" } }, "recurrence.everySeconds must be given, or minuteOfDay, not both"),
        ["a time of no zone"] = (s_good with { Recurrence = new Recurrence { MinuteOfDay = 3 } }, "recurrence.timeZone must be given with minuteOfDay"),
        ["what a person starts, again and again"] = (s_good with { Purpose = Advertisement.Available }, "recurrence is for what is required"),
        ["too deep"] = (s_good with { Offer = Deep(5) }, "offer.first goes deeper than 4"),
    };

    public static TheoryData<string> Bad => [.. s_bad.Keys];

    [Theory]
    [MemberData(nameof(Bad))]
    public void What_no_client_could_follow_is_refused(string what)
    {
        var (bad, says) = s_bad[what];
        Assert.Contains(says, Assert.Throws<ProtocolException>(() => Documents.Advertisement.Encode(bad)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void As_deep_as_it_may_be_it_is_read() =>
        Assert.Equal(4, Documents.Advertisement.Decode(Documents.Advertisement.Encode(s_good with { Offer = Deep(4) })).Offer.Chain().Count());

    [Fact]
    public void The_place_of_a_device_is_what_the_protocol_says()
    {
        Assert.Equal(17.7, RolloutPlace.Of("fpi3wdcevcl4gct2ucmrzxry3adc7zcb", "k7q2m6xw"), 1);
        Assert.NotEqual(RolloutPlace.Of("fpi3wdcevcl4gct2ucmrzxry3adc7zcb", "k7q2m6xw"), RolloutPlace.Of("fpi3wdcevcl4gct2ucmrzxry3adc7zcb", "zzzzzzz7"));
    }

    [Fact]
    public void Of_ten_thousand_devices_each_ring_has_its_part()
    {
        var begin = Enumerable.Range(0, 10_000).Select(device => RolloutPlace.Begins(s_good, $"device-{device}")).ToLookup(at => at);
        // 5 % of 10,000, and four standard deviations of it.
        Assert.InRange(begin[1_795_348_800].Count(), 500 - 88, 500 + 88);
        Assert.Equal(10_000, begin[1_795_348_800].Count() + begin[1_795_435_200].Count());
        Assert.Null(RolloutPlace.Begins(s_good with { Rings = null }, "device"));
    }

    private static Advertisement Program(ProgramRules program) => s_good with { Offer = s_good.Offer with { Program = program, First = null } };

    private static ProgramOffer Deep(int steps) => s_good.Offer with { First = steps == 1 ? null : Deep(steps - 1) };
}
