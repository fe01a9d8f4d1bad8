using Capstan.Nal.Arbiter.Machine;

namespace Capstan.Tests.Nal.Arbiter.Machine;

/// <summary>Which names are one server, by what the servers say of themselves.</summary>
public sealed class ServerNamesTests : IDisposable
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    private static readonly Guid One = new(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    private static readonly Guid Two = new(2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("capstan-names-");
    private readonly NalMachine _machine;

    public ServerNamesTests()
    {
        _machine = NalMachine.At(_directory.FullName);
        _machine.Prepare();
    }

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void The_name_that_was_known_first_keeps_its_slots_and_the_others_share_them()
    {
        var names = new ServerNames(_machine);
        Assert.Null(names.Notice("fs1:445", One, Noon));
        Assert.Equal("fs1:445", names.Notice("fs1.example:445", One, Noon));
        Assert.Equal("fs1:445", names.Notice("10.0.0.1:445", One, Noon));
        Assert.Null(names.Notice("fs2:445", Two, Noon));
        Assert.Equal(["fs1:445", "fs1:445", "fs2:445", "fs9:445"], new[] { "fs1.example:445", "10.0.0.1:445", "fs2:445", "fs9:445" }.Select(names.SlotsOf));
        // No news.
        Assert.Null(names.Notice("10.0.0.1:445", One, Noon));
    }

    [Fact]
    public void What_one_process_learned_the_others_know_and_a_restart_does_not_forget()
    {
        var (one, two) = (new ServerNames(_machine), new ServerNames(_machine));
        one.Notice("fs1:445", One, Noon);
        Assert.Equal("fs1:445", two.Notice("fs2:445", One, Noon));
        one.Refresh();
        Assert.Equal("fs1:445", one.SlotsOf("fs2:445"));
        var next = new ServerNames(_machine);
        next.Refresh();
        Assert.Equal("fs1:445", next.SlotsOf("fs2:445"));
        Assert.Equal(("fs2:445", "fs1:445", Noon), Assert.Single(_machine.SharedNames()) is var shared ? (shared.Server, shared.SameAs, shared.Since) : default);
    }

    [Fact]
    public void A_server_that_says_nothing_of_itself_is_nobodys_twin()
    {
        var names = new ServerNames(_machine);
        Assert.Null(names.Notice("fs1:445", Guid.Empty, Noon));
        Assert.Null(names.Notice("fs2:445", Guid.Empty, Noon));
        Assert.Empty(names.All());
    }

    [Fact]
    public void A_name_that_leads_to_another_server_by_now_has_slots_of_its_own_again()
    {
        var names = new ServerNames(_machine);
        names.Notice("fs1:445", One, Noon);
        names.Notice("fs2:445", One, Noon);
        Assert.Null(names.Notice("fs2:445", Two, Noon));
        Assert.Equal("fs2:445", names.SlotsOf("fs2:445"));
    }

    [Fact]
    public void A_name_that_others_lean_on_leans_on_none()
    {
        var names = new ServerNames(_machine);
        names.Notice("fs1:445", One, Noon);
        names.Notice("fs2:445", One, Noon);
        names.Notice("fs3:445", Two, Noon);
        Assert.Null(names.Notice("fs1:445", Two, Noon));
        Assert.Equal(("fs1:445", "fs1:445"), (names.SlotsOf("fs1:445"), names.SlotsOf("fs2:445")));
    }

    [Theory, InlineData(""), InlineData("{"), InlineData("[]"), InlineData("""{"format":2,"servers":[]}"""), InlineData("""{"format":1}"""), InlineData("""{"format":1,"servers":null}""")]
    public void A_file_that_cannot_be_read_or_is_of_another_version_is_learned_anew(string text)
    {
        File.WriteAllText(Path.Combine(_machine.Journal, "servers.json"), text);
        var names = new ServerNames(_machine);
        names.Refresh();
        Assert.Null(names.Notice("fs1:445", One, Noon));
        Assert.Equal("fs1:445", names.Notice("fs2:445", One, Noon));
        Assert.Single(_machine.SharedNames());
    }

    [Fact]
    public void The_number_of_names_is_bounded_and_those_that_others_lean_on_stay()
    {
        var names = new ServerNames(machine: null);
        names.Notice("fs:445", One, Noon);
        names.Notice("alias:445", One, Noon + TimeSpan.FromDays(1));
        for (var number = 0; number < ServerNames.Most + 10; number++)
            names.Notice($"fs{number}:445", new Guid(number, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0), Noon + TimeSpan.FromSeconds(number));
        Assert.Equal(ServerNames.Most, names.All().Count);
        Assert.Equal("fs:445", names.SlotsOf("alias:445"));
    }
}
