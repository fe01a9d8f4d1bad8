using Capstan.Nal.Paths;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Nal.Paths;

public sealed class NalPathProperties
{
    private static readonly Config Many = Config.QuickThrowOnFailure.WithMaxTest(500).WithEndSize(20).WithQuietOnSuccess(true);

    private static readonly Gen<string> Segment = Gen.OneOf(
        Gen.Elements("CAP_ABC", "SMSPKGx$", ".VOL.OU", "a b", "Größe", "100%", "日本", "😀", "a#b", "a@b", "x%41"),
        ArbMap.Default.GeneratorFor<NonEmptyString>().Select(text => text.Get));

    private static readonly Gen<string> Host = Gen.Elements("Server", "fs1.example", "127.0.0.1", "[::1]", "[FD00:0:0::7]", "SRV_1", "größe");

    private static readonly Gen<string> Text =
        from display in Gen.Elements("", """["Display=\\SRV\"]""", """["DISPLAY=a b"]""")
        from provider in Gen.Elements("LOCAL", "mswnet", "NWBIND", "NWNDS", "ABEXPRT", "SFTP", "HTTPS", "s3")
        from qualifiers in Gen.Elements("", """["SMS_SITE=abc"]""", """["PREFERRED"]""", """["SMS_SITE=XYZ","PREFERRED"]""")
        from host in Host
        from port in Gen.Elements("", ":445", ":22", ":44501")
        from count in Gen.Choose(0, 5)
        from segments in Segment.ListOf(count)
        let isHost = provider is not ("LOCAL" or "NWNDS" or "ABEXPRT")
        let root = provider == "LOCAL" ? "" : isHost ? host + port + "\\" : "A Name: [x]\\"
        select $"{display}{provider}:{qualifiers}\\\\{root}{string.Join('\\', segments)}";

    private static readonly Arbitrary<NalPath> Paths = Text
        .Select(text => NalPath.TryParse(text, out var path, out _) ? path : null)
        .Where(path => path is not null).Select(path => path!).ToArbitrary();

    [Fact]
    public void The_classic_form_round_trips() => Prop.ForAll(Paths, path =>
    {
        var again = NalPath.Parse(path.ToString());
        return again.Equals(path) && again.Display == path.Display && again.ToString() == path.ToString() && again.GetHashCode() == path.GetHashCode();
    }).Check(Many);

    [Fact]
    public void The_uri_round_trips_but_for_the_qualifiers() => Prop.ForAll(Paths, path =>
    {
        var again = NalPath.Parse(path.ToUri());
        return again.Equals(path.WithQualifiers(null, isPreferred: false)) && again.ToUri() == path.ToUri();
    }).Check(Many);

    [Fact]
    public void Any_text_gives_a_path_or_a_column_inside_it() => Prop.ForAll(AnyText(), text =>
        NalPath.TryParse(text, out var path, out var error)
            ? NalPath.Parse(path.ToString()).Equals(path)
            : error.Column >= 1 && error.Column <= text.Length + 1 && error.Expected.Length > 0).Check(Many);

    private static Arbitrary<string> AnyText()
    {
        var fragments = Gen.Elements("MSWNET", "smb", "LOCAL", "file", "://", ":", "\\\\", "\\", "/", "[\"", "\"]", "[", "]", "%", "%41", "..", "Display=",
            "SMS_SITE=", "ABC", "\"", ",", "\uD800", "\0", " ", "server", "445");
        var assembled = fragments.ListOf().Select(parts => string.Concat(parts));
        var mutilated = from text in Text from cut in Gen.Choose(0, text.Length) from insert in fragments select text.Insert(cut, insert);
        return Gen.OneOf(assembled, mutilated, ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => text.Get)).ToArbitrary();
    }
}
