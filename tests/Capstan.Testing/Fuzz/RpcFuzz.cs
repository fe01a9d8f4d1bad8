using Capstan.Smb;
using Capstan.Smb.Pipes;

namespace Capstan.Testing.Fuzz;

/// <summary>What a server sends through a pipe: any bytes end in a value or in the library's exception, and in no list longer than the bytes.</summary>
public static class RpcFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        var bytes = data.ToArray();
        Try(() => RpcPdu.BindAnswer(RpcPdu.Parse(bytes), "fuzz"));
        Try(() => RpcPdu.ResponseStub(RpcPdu.Parse(bytes), "fuzz").Length);
        Try(() => Check(SrvsMessages.ShareEnumAnswer(bytes).Items.Count, bytes));
        foreach (var level in Enum.GetValues<SessionLevel>())
            Try(() => Check(SrvsMessages.SessionEnumAnswer(bytes, level).Items.Count, bytes));
        Try(() => SrvsMessages.ServerGetInfoAnswer(bytes).Error);
        Try(() => SrvsMessages.SessionDelAnswer(bytes));
    }

    private static int Check(int count, byte[] bytes) =>
        count <= bytes.Length / 4 ? count : throw new InvalidOperationException($"{count} entries of {bytes.Length} bytes");

    private static void Try<T>(Func<T> decode)
    {
        try
        {
            _ = decode();
        }
        catch (SmbException)
        {
            // refused, as it should be
        }
    }
}
