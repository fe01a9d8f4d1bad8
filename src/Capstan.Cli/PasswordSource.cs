using System.Text;

namespace Capstan.Cli;

/// <summary>Where a password comes from: a file, an environment variable or a prompt, never an argument: those stand in process lists.</summary>
internal static class PasswordSource
{
    private const int MaxPasswordBytes = 4_096;

    /// <param name="file">Whose first line it is; <c>-</c> for standard input; null to look further.</param>
    /// <param name="option">By which the file is given.</param>
    /// <param name="variable">The environment variable that is asked when no file is given.</param>
    /// <param name="account">Whose password it is, for the prompt.</param>
    /// <exception cref="CliException">There is none.</exception>
    public static async Task<string> ReadAsync(string? file, string option, string variable, string account, CliHost host, CancellationToken cancellationToken) => file switch
    {
        "-" => await FirstLineAsync(host.OpenInput(), "standard input", cancellationToken),
        { } path => await FromFileAsync(host.FullPath(path), cancellationToken),
        _ when host.Environment(variable) is { Length: > 0 } value => value,
        _ => await PromptAsync(host, account, option, variable, cancellationToken),
    };

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

    private static async Task<string> PromptAsync(CliHost host, string account, string option, string variable, CancellationToken cancellationToken) =>
        host.ReadPassword is { } read
            ? await Task.Run(() => read($"Password of {account}: "), cancellationToken) is { Length: > 0 } typed ? typed : throw new CliException("no password was typed.", ExitCode.Usage)
            : throw new CliException($"there is no password for {account}: give {option} FILE, or the variable {variable}; without a terminal nobody can be asked.", ExitCode.Usage);
}
