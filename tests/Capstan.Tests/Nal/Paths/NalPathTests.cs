using Capstan.Nal.Paths;

namespace Capstan.Tests.Nal.Paths;

public sealed class NalPathTests
{
    /// <summary>Every example of the old system's articles (domain.md 4.2), and what became of it.</summary>
    [Theory]
    [InlineData("""MSWNET:["SMS_SITE=zzz"]\\Server\CAP_zzz\""", """MSWNET:["SMS_SITE=ZZZ"]\\server\CAP_zzz\""")]
    [InlineData("""MSWNET:["SMS_SITE=zzz"]\\Server\SMSPKGx$\ABC00001\""", """MSWNET:["SMS_SITE=ZZZ"]\\server\SMSPKGx$\ABC00001\""")]
    [InlineData("""MSWNET:["SMS_SITE=zzz"]\\Server\""", """MSWNET:["SMS_SITE=ZZZ"]\\server\""")]
    [InlineData("""MSWNET:["SMS_SITE=zzz", "PREFERRED"]\\Server\CAP_zzz""", """MSWNET:["SMS_SITE=ZZZ", "PREFERRED"]\\server\CAP_zzz\""")]
    [InlineData("""NWBIND:["SMS_SITE=zzz"]\\Server\Volume\CAP_zzz\""", """NWBIND:["SMS_SITE=ZZZ"]\\server\Volume\CAP_zzz\""")]
    [InlineData("""["Display=\\TREE\.VOL.OU.ORG"]NWNDS:["SMS_SITE=GS1"]\\TREE\.VOL.OU.ORG\CAP_GS1\""",
        """["Display=\\TREE\.VOL.OU.ORG"]NWNDS:["SMS_SITE=GS1"]\\TREE\.VOL.OU.ORG\CAP_GS1\""")]
    [InlineData("""["DISPLAY=\\SRV\"]MSWNET:["SMS_SITE=M03"]\\SRV\""", """["Display=\\SRV\"]MSWNET:["SMS_SITE=M03"]\\srv\""")]
    [InlineData("""MSWNET:\\SERVER1\SMSLOGON\SITES\S01\""", """MSWNET:\\server1\SMSLOGON\SITES\S01\""")]
    [InlineData("""MSWNET:\\DELLSERVER\""", """MSWNET:\\dellserver\""")]
    [InlineData("""ABEXPRT:\\CAP List for site ABC""", """ABEXPRT:\\CAP List for site ABC""")]
    [InlineData("""ABEXPRT:\\CAP List for site ABC\clidata.box\""", """ABEXPRT:\\CAP List for site ABC\clidata.box\""")]
    public void Every_historic_example_parses_to_its_canonical_form(string text, string canonical)
    {
        var path = NalPath.Parse(text);
        Assert.Equal(canonical, path.ToString());
        Assert.Equal(path, NalPath.Parse(canonical));
    }

    [Theory]
    [InlineData("smb://server/share/", """MSWNET:\\server\share\""", "smb://server/share/")]
    [InlineData("SMB://Server/Share", """MSWNET:\\server\Share\""", "smb://server/Share/")]
    [InlineData("smb://127.0.0.1:44501/cap/", """MSWNET:\\127.0.0.1:44501\cap\""", "smb://127.0.0.1:44501/cap/")]
    [InlineData("smb://server:445/cap/", """MSWNET:\\server\cap\""", "smb://server/cap/")]
    [InlineData("smb://[FD00::1]:4450/cap/", """MSWNET:\\[fd00::1]:4450\cap\""", "smb://[fd00::1]:4450/cap/")]
    [InlineData("smb://[::1]", """MSWNET:\\[::1]\""", "smb://[::1]/")]
    [InlineData("smb://server/my%20share/100%25/", """MSWNET:\\server\my share\100%\""", "smb://server/my%20share/100%25/")]
    [InlineData("smb://server/Größe/", """MSWNET:\\server\Größe\""", "smb://server/Gr%C3%B6%C3%9Fe/")]
    [InlineData("file:///srv/cap/", """LOCAL:\\srv\cap\""", "file:///srv/cap/")]
    [InlineData("file:///", """LOCAL:\\""", "file:///")]
    [InlineData("file://localhost/srv/cap", """LOCAL:\\srv\cap\""", "file:///srv/cap/")]
    [InlineData("file:///C:/cap/", """LOCAL:\\C:\cap\""", "file:///C:/cap/")]
    [InlineData("ncp://server/vol/cap/", """NWBIND:\\server\vol\cap\""", "ncp://server/vol/cap/")]
    [InlineData("sftp://host:2222/srv/cap/", """SFTP:\\host:2222\srv\cap\""", "sftp://host:2222/srv/cap/")]
    [InlineData("https://host/dav/cap/", """HTTPS:\\host\dav\cap\""", "https://host/dav/cap/")]
    [InlineData("s3://bucket/prefix/", """S3:\\bucket\prefix\""", "s3://bucket/prefix/")]
    [InlineData("""ABEXPRT:\\CAP List for site ABC""", """ABEXPRT:\\CAP List for site ABC""", "abexprt://CAP%20List%20for%20site%20ABC/")]
    [InlineData("""NWNDS:\\TREE\.VOL.OU\CAP\""", """NWNDS:\\TREE\.VOL.OU\CAP\""", "nds://TREE/.VOL.OU/CAP/")]
    [InlineData("""ABEXPRT:\\a: b [c]\""", """ABEXPRT:\\a: b [c]""", "abexprt://a%3A%20b%20%5Bc%5D/")]
    public void The_two_forms_are_twins(string text, string classic, string uri)
    {
        var path = NalPath.Parse(text);
        Assert.Equal(classic, path.ToString());
        Assert.Equal(uri, path.ToUri());
        Assert.Equal(path, NalPath.Parse(uri));
    }

    [Fact]
    public void Parts_are_told_apart()
    {
        var path = NalPath.Parse("""["Display=\\SRV"]mswnet:[ "preferred" , "sms_site=ab1" ]\\SRV:4450\Share\Dir""");
        Assert.Equal("MSWNET", path.Provider);
        Assert.Equal("""\\SRV""", path.Display);
        Assert.Equal("AB1", path.SiteCode);
        Assert.True(path.IsPreferred);
        Assert.Equal("srv", path.Root);
        Assert.Equal(4450, path.Port);
        Assert.Equal(["Share", "Dir"], path.Segments);
    }

    [Theory]
    [InlineData("", 1, "a provider")]
    [InlineData("""\SITES\XXX\""", 1, "the beginning of the path is lost")]
    [InlineData("""\\server\share\""", 1, """for a share write MSWNET:\\server\share\ or smb://server/share/""")]
    [InlineData("/srv/cap", 1, "for a directory write file:///srv/cap/")]
    [InlineData("/srv/my cap", 1, "for a directory write file:///srv/my%20cap/")]
    [InlineData("./cap", 1, "for a directory write file:///…")]
    [InlineData("cap", 1, "for a directory write file:///…")]
    [InlineData("""C:\cap""", 1, "for a directory write file:///C:/…")]
    [InlineData("""FTP:\\server\""", 1, "a provider (LOCAL, MSWNET")]
    [InlineData("http://server/", 1, "a URI scheme (file, smb")]
    [InlineData("""MSWNET:\server\""", 8, "two backslashes")]
    [InlineData("""MSWNET:\\""", 10, "a server name")]
    [InlineData("""MSWNET:\\a b\""", 11, "a letter, a digit")]
    [InlineData("""MSWNET:\\server\a\\b""", 19, "a segment name")]
    [InlineData("""MSWNET:\\server\a:b""", 18, "without any of")]
    [InlineData("""MSWNET:\\server\..\b""", 17, "other than '.' and '..'")]
    [InlineData("""MSWNET:\\server\dot.\b""", 20, "does not end in a dot")]
    [InlineData("""MSWNET:\\server:0\""", 17, "a port from 1 to 65535")]
    [InlineData("""MSWNET:\\server:65536\""", 17, "a port from 1 to 65535")]
    [InlineData("""MSWNET:\\::1\""", 10, "an IPv6 address in brackets")]
    [InlineData("""MSWNET:\\[::1\""", 14, "] after the IPv6 address")]
    [InlineData("""MSWNET:\\[fe80::1%eth0]\""", 11, "without a zone")]
    [InlineData("""MSWNET:["SMS_SITE=AB"]\\s\""", 19, "a site code of three characters")]
    [InlineData("""MSWNET:["SMS_SITE=con"]\\s\""", 19, "not AUX, CON, NUL or PRN")]
    [InlineData("""MSWNET:["SMS_SITE=ABC","SMS_SITE=ABC"]\\s\""", 25, "SMS_SITE only once")]
    [InlineData("""MSWNET:["PREFERRED" "SMS_SITE=ABC"]\\s\""", 21, "a comma or ]")]
    [InlineData("""MSWNET:["FASTEST"]\\s\""", 10, "SMS_SITE=<site code> or PREFERRED")]
    [InlineData("""MSWNET:[]\\s\""", 9, "a qualifier in quotes")]
    [InlineData("""["Display=x]MSWNET:\\s\""", 24, "\"] after the display text")]
    [InlineData("""["Display="]MSWNET:\\s\""", 11, "the display text")]
    [InlineData("""["Show=x"]MSWNET:\\s\""", 1, "[\"Display=")]
    [InlineData("smb:/server/share", 5, "two slashes after smb:")]
    [InlineData("smb://user:pw@server/share", 14, "no user name or password")]
    [InlineData("smb://server/a?b", 15, "no query or fragment")]
    [InlineData("smb://server/a%2", 15, "two hexadecimal digits")]
    [InlineData("smb://server/a%FFb", 15, "bytes of UTF-8")]
    [InlineData("smb://server/a%2Fb", 14, "no slash or backslash")]
    [InlineData("smb://server/a%00b", 14, "no control character")]
    [InlineData("smb://server/%2e%2e/b", 14, "other than '.' and '..'")]
    [InlineData("smb://server//b", 14, "a segment name")]
    [InlineData("smb:///share", 7, "a server name")]
    [InlineData("file://server/share", 8, "a third slash")]
    [InlineData("file://", 8, "a slash and the directory")]
    [InlineData("sftp:/host/dir", 6, "two backslashes")]
    public void An_invalid_path_gives_the_column_and_what_was_expected(string text, int column, string expected)
    {
        Assert.False(NalPath.TryParse(text, out _, out var error));
        Assert.Contains(expected, error.Expected, StringComparison.Ordinal);
        Assert.Equal(column, error.Column);
        var thrown = Assert.Throws<FormatException>(() => NalPath.Parse(text));
        Assert.Contains($"column {column}: expected {error.Expected}", thrown.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""MSWNET:\\SERVER\CAP_ABC\""", """mswnet:\\server\cap_abc""", true)]
    [InlineData("""["Display=\\SRV\"]MSWNET:\\srv\""", """["Display=\\SRV"]MSWNET:\\srv\""", true)]
    [InlineData("smb://server/share/", """MSWNET:\\Server\SHARE""", true)]
    [InlineData("""ABEXPRT:\\CAP list FOR SITE abc""", """ABEXPRT:\\CAP List for site ABC""", true)]
    [InlineData("sftp://host/a/", "sftp://HOST/a/", true)]
    [InlineData("sftp://host/a/", "sftp://host/A/", false)]
    [InlineData("""MSWNET:["PREFERRED"]\\s\""", """MSWNET:\\s\""", false)]
    [InlineData("""MSWNET:["SMS_SITE=ABC"]\\s\""", """MSWNET:["SMS_SITE=ABD"]\\s\""", false)]
    [InlineData("""MSWNET:\\s\a\""", """NWBIND:\\s\a\""", false)]
    [InlineData("smb://s:4450/a", "smb://s/a", false)]
    public void Letter_case_counts_only_where_the_storage_counts_it(string one, string other, bool equal)
    {
        var (left, right) = (NalPath.Parse(one), NalPath.Parse(other));
        Assert.Equal(equal, left.Equals(right));
        if (equal)
            Assert.Equal(left.GetHashCode(), right.GetHashCode());
    }

    [Theory]
    [InlineData("/srv/cap", """LOCAL:\\srv\cap\""", "/srv/cap")]
    [InlineData("/srv/../srv/./cap/", """LOCAL:\\srv\cap\""", "/srv/cap")]
    [InlineData("/", """LOCAL:\\""", "/")]
    [InlineData("/with blank /a:b*", """LOCAL:\\with blank \a:b*\""", "/with blank /a:b*")]
    public void Directories_become_paths_and_paths_directories(string directory, string classic, string back)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "directories of Unix");
        var path = NalPath.FromDirectory(directory);
        Assert.Equal(classic, path.ToString());
        Assert.Equal(back, path.LocalDirectory);
        Assert.Equal(path, NalPath.Parse(path.ToUri()));
    }

    [Fact]
    public void A_directory_that_no_path_can_hold_is_refused_by_name()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "directories of Unix");
        var thrown = Assert.Throws<ArgumentException>(() => NalPath.FromDirectory("/srv/a\\b"));
        Assert.Contains("'a\\b', character 2", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Local_paths_of_unix_differ_by_letter_case()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "directories of Unix");
        Assert.NotEqual(NalPath.FromDirectory("/srv/Cap"), NalPath.FromDirectory("/srv/cap"));
    }

    [Fact]
    public void Only_local_paths_have_a_directory() => Assert.Null(NalPath.Parse("smb://server/share/").LocalDirectory);

    [Fact]
    public void Qualifiers_and_segments_can_be_added()
    {
        var path = NalPath.Parse("smb://server/cap/").WithQualifiers("abc", isPreferred: true).Append(["clidata.box"]);
        Assert.Equal("""MSWNET:["SMS_SITE=ABC", "PREFERRED"]\\server\cap\clidata.box\""", path.ToString());
        Assert.Throws<ArgumentException>(() => path.Append([".."]));
        Assert.Throws<ArgumentException>(() => path.WithQualifiers("NUL", isPreferred: false));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" CAP")]
    [InlineData("a\\b")]
    [InlineData("a\0b")]
    public void Export_names_obey_the_grammar(string name) => Assert.Throws<ArgumentException>(() => NalPath.Export(name));

    [Fact]
    public void Export_is_the_parsed_path_of_its_name() =>
        Assert.Equal(NalPath.Parse("""ABEXPRT:\\CAP List for site ABC"""), NalPath.Export("CAP List for site ABC"));
}
