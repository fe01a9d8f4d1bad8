using System.CommandLine;
using System.Text;
using Capstan.Nal.Providers.Mswnet;

namespace Capstan.Cli;

/// <summary>The options of one connection account. The password comes from a file, an environment variable or a prompt, never from an argument: those stand in process lists.</summary>
/// <param name="prefix">Before both options: empty, or <c>client-</c>.</param>
/// <param name="variable">The environment variable that is asked when no file is given.</param>
/// <param name="whose">For the help: <c>The connection account</c>.</param>
/// <param name="takesTicket">Whether the Kerberos ticket of this process may stand in place of a password.</param>
internal sealed class Credentials(string prefix, string variable, string whose, bool takesTicket)
{
    private const int MaxPasswordBytes = 4_096;

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
        var password = file switch
        {
            "-" => await FirstLineAsync(host.OpenInput(), "standard input", cancellationToken),
            { } path => await FromFileAsync(host.FullPath(path), cancellationToken),
            _ when host.Environment(variable) is { Length: > 0 } value => value,
            _ => await PromptAsync(host, account, cancellationToken),
        };
        return (account, password);
    }

    private static async Task<string> FromFileAsync(string path, CancellationToken cancellationToken)
    {
        var content = File.OpenRead(path);
        await using (content)
            return await FirstLineAsync(content, path, cancellationToken);
    }

    private static async Task<string> FirstLineAsync(Stream content, string where, CancellationToken cancellationToken)
    {
        var buffer = new byte[MaxPasswordBytes + 1];
        var length = await content.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        var end = buffer.AsSpan(0, length).IndexOf((byte)'\n');
        if (end < 0 && length > MaxPasswordBytes)
            throw new CliException($"the first line of {where} is longer than {MaxPasswordBytes} bytes: that is no password.", ExitCode.Usage);
        var line = Encoding.UTF8.GetString(buffer, 0, end < 0 ? length : end).TrimEnd('\r').TrimStart('\uFEFF');
        return line.Length > 0 ? line : throw new CliException($"{where} has no password in its first line.", ExitCode.Usage);
    }

    private async Task<string> PromptAsync(CliHost host, string account, CancellationToken cancellationToken) =>
        host.ReadPassword is { } read
            ? await Task.Run(() => read($"Password of {account}: "), cancellationToken) is { Length: > 0 } typed ? typed : throw new CliException("no password was typed.", ExitCode.Usage)
            : throw new CliException($"there is no password for {account}: give {_file.Name} FILE, or the variable {variable}; without a terminal nobody can be asked.", ExitCode.Usage);
}
