using Capstan.Ncp;
using Capstan.Ncp.Bindery;
using Capstan.Ncp.Connection;
using Capstan.Ncp.Files;
using Capstan.Ncp.Wire;

namespace Capstan.Testing.Fuzz;

/// <summary>What a NetWare server sends: any bytes end in a value or in <see cref="NcpProtocolException"/>, and in no list longer than the bytes.</summary>
public static class NcpAnswerFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        var bytes = data.ToArray();
        Try(() => Packet.Read(bytes));
        Try(() => StreamRecord.ReadReplyHead(bytes));
        Try(() => Watchdog.Answer(bytes, 1)?.Length);
        Try(() => Framing.Stream.Open(bytes, isSigned: true));
        Try(() => Framing.Datagram.Open(bytes, isSigned: true));
        Try(() => NcpConnection.ReadOptions(bytes));
        Try(() => NcpConnection.ReadSize(bytes));
        Try(() => BinderyObject.Read(bytes));
        Try(() => ConnectionInformation.Read(bytes));
        Try(() => ConnectionAddress.Read(bytes));
        Try(() => ServerInformation.Read(bytes));
        Try(() => ServerClock.Read(bytes));
        Try(() => Bounded(BinderyService.ReadNumbers(bytes).Count, bytes.Length / 4));
        Try(() => NcpEntry.Read(bytes));
        Try(() => NcpSpace.Read(bytes));
        Try(() => NcpVolume.ReadSpaces(bytes).Length);
        Try(() => NcpVolume.ReadSearch(bytes).Length);
        Try(() => Bounded(NcpVolume.ReadSet(bytes).Entries.Count, bytes.Length / 77));
        Try(() => NcpFile.Content(bytes, 1, 512, new byte[512]));
    }

    private static int Bounded(int count, int most) => count <= most ? count : throw new InvalidOperationException($"{count} entries, where {most} fit");

    private static void Try<T>(Func<T> decode)
    {
        try
        {
            _ = decode();
        }
        catch (NcpProtocolException)
        {
            // refused, as it should be
        }
    }
}
