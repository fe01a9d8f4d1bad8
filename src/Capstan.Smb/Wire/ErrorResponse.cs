namespace Capstan.Smb.Wire;

/// <summary>An ERROR response ([MS-SMB2] 2.2.2). Its contents are not used; that it is one is checked.</summary>
internal static class ErrorResponse
{
    public static void Check(ReadOnlySpan<byte> message)
    {
        var reader = new WireReader(message, "error response");
        reader.Skip(SmbHeader.Bytes);
        reader.Expect(9);
    }
}
