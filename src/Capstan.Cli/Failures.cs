using System.Net.Sockets;
using Capstan.Client;
using Capstan.Nal;
using Capstan.Protocol;
using Capstan.Site;
using Capstan.Site.Api;

namespace Capstan.Cli;

/// <summary>How each refusal of the rooms below becomes an exit code and one line.</summary>
internal static class Failures
{
    /// <summary>The exit code and the line; null for what nobody foresaw.</summary>
    public static (int ExitCode, string Message)? Explain(Exception failure) => failure switch
    {
        CliException known => (known.ExitCode, known.Message),
        ApiException refusal => (OfHttp(refusal), refusal.Message),
        NalException refusal => (OfNal(refusal.Error), refusal.Message),
        SiteException { Code: "bad_site_code" or "bad_role" } => (ExitCode.Usage, failure.Message),
        SiteException { StorageError: { } error } => (OfNal(error), failure.Message),
        SiteException or ClientException or ProtocolException => (ExitCode.Failed, failure.Message),
        HttpRequestException => (ExitCode.Failed, $"the site did not answer: {failure.Message} Look into its log; \"capstan doctor\" names the cause."),
        TaskCanceledException { InnerException: TimeoutException } => (ExitCode.Failed, "the site gave no answer in time. Look into its log; \"capstan doctor\" names the cause."),
        OperationCanceledException => (ExitCode.Failed, "stopped before it was done."),
        UnauthorizedAccessException => (ExitCode.AccessDenied, $"{failure.Message} Run this as an account that may do that."),
        FileNotFoundException or DirectoryNotFoundException => (ExitCode.NotFound, failure.Message),
        IOException or SocketException => (ExitCode.Failed, failure.Message),
        _ => null,
    };

    /// <summary>Of what a storage answered, as the API tells it.</summary>
    /// <param name="errorCode">The name of a <see cref="NalError"/>; anything else is a failure without a code of its own.</param>
    public static int OfStorage(string? errorCode) => Enum.TryParse<NalError>(errorCode, out var error) ? OfNal(error) : ExitCode.Failed;

    private static int OfHttp(ApiException refusal) => refusal.Status switch
    {
        _ when refusal.ErrorCode is not null => OfStorage(refusal.ErrorCode),
        400 => ExitCode.Usage,
        401 or 403 => ExitCode.AccessDenied,
        404 => ExitCode.NotFound,
        429 or 503 => ExitCode.Full,
        _ => ExitCode.Failed,
    };

    private static int OfNal(NalError error) => error switch
    {
        NalError.NotFound => ExitCode.NotFound,
        NalError.AccessDenied or NalError.Authenticate => ExitCode.AccessDenied,
        NalError.ServerFull or NalError.WaitForSlot => ExitCode.Full,
        _ => ExitCode.Failed,
    };
}
