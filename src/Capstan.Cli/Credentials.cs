using System.CommandLine;
using Capstan.Nal.Providers.Mswnet;

namespace Capstan.Cli;

/// <summary>The options of one connection account. The password comes from a file, an environment variable or a prompt, never from an argument: those stand in process lists.</summary>
/// <param name="prefix">Before both options: empty, or <c>client-</c>.</param>
/// <param name="variable">The environment variable that is asked when no file is given.</param>
/// <param name="whose">For the help: <c>The connection account</c>.</param>
/// <param name="takesTicket">Whether the Kerberos ticket of this process may stand in place of a password.</param>
internal sealed class Credentials(string prefix, string variable, string whose, bool takesTicket)
{
    private readonly Option<string?> _account = new($"--{prefix}account") { Description = $"{whose}: user, DOMAIN\\user or user@realm{(takesTicket ? "; kerberos: or kerberos:user@REALM for this process's ticket" : "")}", HelpName = "NAME" };
    private readonly Option<string?> _file = new($"--{prefix}password-file")
    {
        Description = $"File whose first line is its password; - for standard input (default the variable {variable}, then a prompt)",
        HelpName = "FILE",
    };

    public static Credentials Plain() => new("", "CAPSTAN_PASSWORD", "The connection account", takesTicket: true);

    public Option[] Options => [_account, _file];

    /// <summary>The account and its password; null when no account is given.</summary>
    /// <exception cref="CliException">No password, or one without an account.</exception>
    public async Task<(string Name, string Password)?> ReadAsync(ParseResult parse, CliHost host, CancellationToken cancellationToken)
    {
        var account = parse.GetValue(_account);
        var file = parse.GetValue(_file);
        if (account is null)
            return file is null ? null : throw new CliException($"{_file.Name} needs {_account.Name}.", ExitCode.Usage);
        if (TicketAccount.Is(account))
        {
            return !takesTicket ? throw new CliException($"{account} is the Kerberos ticket of one process; a client access point needs an account with a password, which its clients can be given.", ExitCode.Usage)
                : file is not null ? throw new CliException($"{account} logs on with a ticket: leave {_file.Name} out.", ExitCode.Usage)
                : (account, "");
        }
        return (account, await PasswordSource.ReadAsync(file, _file.Name, variable, account, host, cancellationToken));
    }
}
