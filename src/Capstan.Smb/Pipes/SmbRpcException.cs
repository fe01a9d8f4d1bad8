namespace Capstan.Smb.Pipes;

/// <summary>A service of the server answered a call with an error, or could not understand it.</summary>
public sealed class SmbRpcException : SmbException
{
    private SmbRpcException(string message, NtStatus status) : base(SmbFailure.Status, message, SmbCompletion.Refused, SmbCommand.Ioctl, status) { }

    /// <summary>What the call answered; null when it was not executed.</summary>
    public Win32Error? Error { get; private init; }

    /// <summary>Why the call was not executed ([C706] appendix E, [MS-RPCE] 2.2.2.12); null when it was.</summary>
    public uint? Fault { get; private init; }

    internal static SmbRpcException Of(Win32Error error, string what, string? hint) =>
        new($"{what}: the server answered {error}{(hint is null ? "" : $"; {hint}")}", error.AsStatus()) { Error = error };

    internal static SmbRpcException Faulted(uint fault, string what)
    {
        var denied = fault == Win32Error.AccessDenied.Code;
        return new($"{what}: the server did not execute the call, fault {NameOf(fault)}", denied ? NtStatus.AccessDenied : NtStatus.Unsuccessful) { Fault = fault };
    }

    private static string NameOf(uint fault) => fault switch
    {
        0x00000005 => "ERROR_ACCESS_DENIED (5)",
        0x000006BB => "RPC_S_SERVER_TOO_BUSY (000006BB)",
        0x000006F7 => "RPC_X_BAD_STUB_DATA (000006F7)",
        0x1C010002 => "nca_s_op_rng_error (1C010002)",
        0x1C010003 => "nca_s_unk_if (1C010003)",
        0x1C01000B => "nca_s_proto_error (1C01000B)",
        0x1C010014 => "nca_s_server_too_busy (1C010014)",
        0x1C00001A => "nca_s_fault_context_mismatch (1C00001A)",
        0x1C00001C => "nca_s_fault_invalid_bound (1C00001C)",
        0x1C00001D => "nca_s_fault_remote_no_memory (1C00001D)",
        _ => $"{fault:X8}",
    };
}
