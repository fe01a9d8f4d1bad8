using System.Runtime.InteropServices;
using System.Text;
using Capstan.Client.Programs;
using Capstan.Protocol.V1;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Tests.Client.Programs;

/// <summary>What reaches terminals, by terminals of the kernel.</summary>
public sealed class UserTerminalTests
{
    private static readonly DateTimeOffset s_at = new(2026, 11, 22, 14, 30, 0, TimeSpan.Zero);

    [Fact]
    public void Text_reaches_the_terminal_of_who_is_logged_on()
    {
        using var terminal = new PseudoTerminal();
        var told = Assert.Single(new UserTerminals(() => [new LoggedOnUser(Environment.UserName, terminal.Name, null, null)], TimeProvider.System).Write("Firefox runs at 14:32."));

        Assert.Equal($"{Environment.UserName} ({terminal.Name})", told.ToString());
        var shown = terminal.Read();
        Assert.Contains("Message from Capstan on ", shown, StringComparison.Ordinal);
        Assert.Contains("Firefox runs at 14:32.", shown, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_terminal_of_the_person_is_not_written_to()
    {
        using var terminal = new PseudoTerminal();
        LoggedOnUser[] sessions = [new("nobody", terminal.Name, null, null), new("root", "../etc/passwd", null, null), new("root", ":0", null, null), new("root", null, null, null), new("root", "pts/999999999", null, null),
            new("no such user", terminal.Name, null, null)];
        var told = new UserTerminals(() => sessions, TimeProvider.System).Write("text");

        Assert.Equal(["the terminal is another's", "no terminal", "no terminal", "no terminal", "No such file or directory", "this machine has no user no such user"], told.Select(one => one.Fault));
    }

    [Fact]
    public void Terminal_that_takes_nothing_holds_nobody_up()
    {
        using var terminal = new PseudoTerminal();
        var terminals = new UserTerminals(() => [new LoggedOnUser(Environment.UserName, terminal.Name, null, null)], TimeProvider.System);
        var faults = Enumerable.Range(0, 1_000).Select(_ => terminals.Write(new string('x', UserTerminals.MaxText))[0].Fault).OfType<string>();

        Assert.Equal("Resource temporarily unavailable", faults.First());
    }

    [Theory]
    [InlineData("an offer", "an offer")]
    [InlineData("\u001b[2J\u0007\u009b31m\r\n", "?[2J??31m??")]
    public void Names_give_terminals_no_orders(string text, string shown) =>
        Assert.Equal($"\r\n\aMessage from Capstan on {Environment.MachineName} (14:30):\r\n\r\n{shown}\r\n\r\n", UserTerminals.Frame(text, s_at));

    [Fact]
    public void Text_that_is_turned_around_or_too_long_is_neither_on_a_terminal()
    {
        Assert.Contains("a?b?c", UserTerminals.Frame("a\u202eb\u2028c", s_at), StringComparison.Ordinal);
        Assert.Contains("Grüße 漢字 😀", UserTerminals.Frame("Grüße 漢字 😀", s_at), StringComparison.Ordinal);
        Assert.True(UserTerminals.Frame(new string('x', 100_000), s_at).Length < UserTerminals.MaxText + 300);
    }

    [Fact]
    public async Task Notice_is_given_before_a_program_and_before_a_restart()
    {
        using var terminal = new PseudoTerminal();
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "exit 194");
        fixture.Users.Add(Environment.UserName);
        fixture.Sessions.Add(new LoggedOnUser(Environment.UserName, terminal.Name, null, null));
        await fixture.OfferAsync(PlannedMachine.Offer(rules: rules => rules with { NoticeSeconds = 600, MaxPostponements = 1, AfterRun = ProgramRules.Reboot }));
        await fixture.SettleAsync();
        Assert.Equal("waiting notice", fixture.State());
        var shown = terminal.Read();
        Assert.Contains("An offer (install of A package) runs on this machine at ", shown, StringComparison.Ordinal);
        Assert.Contains("capstan-client programs postpone aaaaaaaa", shown, StringComparison.Ordinal);

        fixture.Fixture.Time.Advance(TimeSpan.FromMinutes(10));
        await fixture.SettleAsync();
        Assert.Equal("pending-reboot reboot", fixture.State());
        Assert.Contains("This machine is started anew at ", terminal.Read(), StringComparison.Ordinal);
        Assert.Equal(0, fixture.Restarts);
        fixture.Fixture.Time.Advance(TimeSpan.FromMinutes(10));
        await fixture.SettleAsync();
        Assert.Equal(1, fixture.Restarts);
    }
}

/// <summary>A terminal of the kernel without anybody at it.</summary>
internal sealed partial class PseudoTerminal : IDisposable
{
    private const int ReadWrite = 2, NoControllingTerminal = 0x100, NoWait = 0x800;

    private readonly FileStream _screen;

    public PseudoTerminal()
    {
        var handle = OpenTerminal(ReadWrite | NoControllingTerminal | NoWait);
        Assert.True(handle >= 0 && Grant(handle) == 0 && Unlock(handle) == 0, "this machine has no pseudo terminals");
        var name = new byte[64];
        Assert.Equal(0, NameOf(handle, name, (nuint)name.Length));
        Name = Encoding.ASCII.GetString(name).TrimEnd('\0')["/dev/".Length..];
        _screen = new FileStream(new SafeFileHandle(handle, ownsHandle: true), FileAccess.Read, bufferSize: 0);
    }

    /// <summary>As sessions name it: <c>pts/3</c>.</summary>
    public string Name { get; }

    /// <summary>What was written to it since the last time; a failure when that is nothing.</summary>
    public string Read()
    {
        var text = new byte[8 << 10];
        return Encoding.UTF8.GetString(text, 0, _screen.Read(text));
    }

    public void Dispose() => _screen.Dispose();

    [LibraryImport("libc", EntryPoint = "posix_openpt", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int OpenTerminal(int flags);

    [LibraryImport("libc", EntryPoint = "grantpt", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Grant(int handle);

    [LibraryImport("libc", EntryPoint = "unlockpt", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Unlock(int handle);

    [LibraryImport("libc", EntryPoint = "ptsname_r", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NameOf(int handle, byte[] name, nuint count);
}
