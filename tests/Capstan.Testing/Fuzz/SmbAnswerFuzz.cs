using Capstan.Smb;
using Capstan.Smb.Files;
using Capstan.Smb.Wire;

namespace Capstan.Testing.Fuzz;

/// <summary>What a server sends, as it is after decryption: any bytes end in a value or in <see cref="SmbProtocolException"/>, and in no list longer than the bytes.</summary>
public static class SmbAnswerFuzz
{
    private const int Most = 65536;

    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        var bytes = data.ToArray();
        Try(() => SmbHeader.Read(bytes));
        Try(() => TransformHeader.Read(bytes));
        Try(() => NegotiateResponse.Read(bytes));
        Try(() => SessionSetupResponse.Read(bytes));
        Try(() => TreeConnectResponse.Read(bytes));
        Try(() => CreateResponse.Read(bytes));
        Try(() => ReadResponse.Data(bytes, Most).Length);
        Try(() => WriteResponse.Count(bytes, Most));
        Try(() => IoctlResponse.Output(bytes, Most).Length);
        Try(() => FullSizeInformation.Read(bytes));
        Try(() => DfsReferral.ReadTarget(bytes));
        Try(() =>
        {
            ErrorResponse.Check(bytes);
            return 0;
        });
        Try(() =>
        {
            var entries = QueryDirectoryResponse.Read(bytes, Most);
            return entries.Count <= bytes.Length / 64 ? entries.Count : throw new InvalidOperationException($"{entries.Count} entries of {bytes.Length} bytes");
        });
    }

    private static void Try<T>(Func<T> decode)
    {
        try
        {
            _ = decode();
        }
        catch (SmbProtocolException)
        {
            // refused, as it should be
        }
    }
}
