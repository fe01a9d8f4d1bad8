using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Capstan.Smb;
using Capstan.Smb.Authentication;
using Capstan.Smb.Connection;
using Capstan.Smb.Files;

namespace Capstan.Bench.Figures;

/// <summary>The SMB client beside <c>smbclient</c>, against a server that the caller started.</summary>
/// <param name="passwordFile">Holds the password alone; a final line end is not part of it.</param>
internal sealed class SmbFigures(string host, int port, string share, string account, string passwordFile)
{
    private const int FileBytes = 100_000_000;
    private const int SmallFiles = 1000;
    private const int SmallBytes = 2048;
    private const int InFlight = 16;
    private const int ListedFiles = 10_000;
    private const string Folder = "capstan-bench";

    private readonly SmbEndpoint _server = new(host, port);
    private readonly string _password = File.ReadAllText(passwordFile).TrimEnd('\r', '\n');

    private static readonly (string Name, SmbOptions Options)[] Ways =
    [
        ("3.1.1 signed, AES-CMAC", new() { Encryption = SmbEncryption.OnDemand, SigningAlgorithms = [SmbSigning.AesCmac] }),
        ("3.1.1 signed, AES-GMAC", new() { Encryption = SmbEncryption.OnDemand, SigningAlgorithms = [SmbSigning.AesGmac] }),
        ("3.1.1 encrypted, AES-128-GCM", new() { Encryption = SmbEncryption.Required }),
    ];

    public async IAsyncEnumerable<Figure> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return await ConnectingAsync(cancellationToken);
        await using (var open = await OpenAsync(Ways[1].Options, cancellationToken))
            await open.Tree.CreateDirectoryAsync(Folder, cancellationToken);
        foreach (var (name, options) in Ways)
        {
            foreach (var figure in await TransferAsync(name, options, cancellationToken))
                yield return figure;
        }
        foreach (var figure in await SmbclientAsync(cancellationToken))
            yield return figure;
        foreach (var figure in await SmallAsync(cancellationToken))
            yield return figure;
        await using (var open = await OpenAsync(Ways[1].Options, cancellationToken))
            await CleanAsync(open.Tree, cancellationToken);
    }

    /// <summary>A raw replay of the frames would wait for the same answers: what the client adds is the rest of the time.</summary>
    private async Task<Figure> ConnectingAsync(CancellationToken cancellationToken)
    {
        var all = new List<(double Total, double Waiting)>();
        for (var i = 0; i < 200; i++)
        {
            var clock = Stopwatch.StartNew();
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(_server.Host, _server.Port, cancellationToken);
            var connected = clock.Elapsed;
            var stream = new WaitingStream(new NetworkStream(socket, ownsSocket: true));
            await using var connection = await SmbConnection.AttachAsync(stream, _server, Ways[1].Options, cancellationToken);
            var session = await connection.LogOnAsync(new NtlmCredentials(account, _password), 0, cancellationToken);
            await session.ConnectTreeAsync(share, cancellationToken);
            var report = await session.LogOffAsync(cancellationToken);
            if (!report.IsConfirmed)
                throw report.Cause!;
            all.Add((clock.Elapsed.TotalMilliseconds, connected.TotalMilliseconds + stream.Waited.TotalMilliseconds));
        }
        var total = Median(all.Select(run => run.Total));
        var own = Median(all.Select(run => run.Total - run.Waiting));
        return new("SMB connect, logon, tree, orderly close, 3.1.1 signed", Text($"{total:0.0} ms, of which {own:0.00} ms are not waiting for the server"), "≤ 1 ms above a raw replay");
    }

    private async Task<IReadOnlyList<Figure>> TransferAsync(string name, SmbOptions options, CancellationToken cancellationToken)
    {
        await using var open = await OpenAsync(options, cancellationToken);
        var content = new byte[FileBytes];
        var written = await FigureTable.MedianSecondsAsync(5, async () =>
        {
            await open.Tree.DeleteAsync($"{Folder}/large", cancellationToken);
            await using var file = await open.Tree.OpenAsync($"{Folder}/large", SmbOpen.CreateNew, cancellationToken);
            await file.WriteAsync(0, content, cancellationToken);
        });
        var read = await FigureTable.MedianSecondsAsync(5, async () =>
        {
            await using var file = await open.Tree.OpenAsync($"{Folder}/large", SmbOpen.Read, cancellationToken);
            if (await file.ReadAsync(0, content, cancellationToken) != FileBytes)
                throw new InvalidOperationException("the file is shorter than it was written");
        });
        return [new($"SMB 100 MB, {name}", Text($"write {FileBytes / 1e6 / written:0} MB/s, read {FileBytes / 1e6 / read:0} MB/s"),
            options.Encryption == SmbEncryption.Required ? "≥ 400 MB/s" : "≥ smbclient; write ≥ 600, read ≥ 518 MB/s")];
    }

    private async Task<IReadOnlyList<Figure>> SmbclientAsync(CancellationToken cancellationToken)
    {
        const string Program = "/usr/bin/smbclient";
        if (!File.Exists(Program))
            return [new("smbclient", "not installed", "")];
        var directory = Directory.CreateTempSubdirectory("capstan-bench-").FullName;
        try
        {
            var (local, login) = (Path.Combine(directory, "large"), Path.Combine(directory, "login"));
            await File.WriteAllBytesAsync(local, new byte[FileBytes], cancellationToken);
            await File.WriteAllTextAsync(login, $"username = {account}\npassword = {_password}\n", cancellationToken);
            async Task<double> Seconds(string command) => (await WholeProcess.MedianAsync(5, Program,
                [$"//{_server.Host}/{share}", "-p", _server.Port.ToString(CultureInfo.InvariantCulture), "-A", login, "-c", command], cancellationToken)).WallSeconds;

            var nothing = await Seconds("exit");
            var put = await Seconds($@"put {local} {Folder}\theirs") - nothing;
            var get = await Seconds($@"get {Folder}\theirs {local}") - nothing;
            return [new("smbclient 100 MB, its defaults, without its start", Text($"write {FileBytes / 1e6 / put:0} MB/s, read {FileBytes / 1e6 / get:0} MB/s"), "")];
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private async Task<IReadOnlyList<Figure>> SmallAsync(CancellationToken cancellationToken)
    {
        await using var open = await OpenAsync(Ways[1].Options, cancellationToken);
        var tree = open.Tree;
        var content = new byte[SmallBytes];
        var round = 0;
        async Task Write(bool flush)
        {
            round++;
            await ManyAsync(SmallFiles, i => tree.ReplaceAsync($"{Folder}/{round}-{i}.tmp", $"{Folder}/small-{i}", content, flush, cancellationToken).AsTask());
        }
        var written = await FigureTable.MedianSecondsAsync(5, () => Write(flush: false));
        var flushed = await FigureTable.MedianSecondsAsync(3, () => Write(flush: true));
        var read = await FigureTable.MedianSecondsAsync(5, () => ManyAsync(SmallFiles, i => tree.ReadAllAsync($"{Folder}/small-{i}", SmallBytes, cancellationToken).AsTask()));

        var before = GC.GetTotalAllocatedBytes(precise: true);
        for (var i = 0; i < SmallFiles; i++)
            await tree.ReadAllAsync($"{Folder}/small-{i}", SmallBytes, cancellationToken);
        var allocated = (GC.GetTotalAllocatedBytes(precise: true) - before) / SmallFiles;

        await ManyAsync(ListedFiles, async i => await tree.CreateAsync($"{Folder}/listed-{i:00000}", Stream.Null, flush: false, cancellationToken));
        var listed = await FigureTable.MedianSecondsAsync(5, async () =>
        {
            var count = 0;
            await foreach (var entry in tree.ListAsync(Folder, "listed-*", cancellationToken))
                count++;
            if (count != ListedFiles)
                throw new InvalidOperationException($"{count} entries were listed and {ListedFiles} are there");
        });
        return
        [
            new($"SMB {SmallFiles} reads of 2 KB, {InFlight} in flight", Text($"{read:0.000} s"), "≤ 0.10 s"),
            new($"SMB {SmallFiles} atomic writes of 2 KB, {InFlight} in flight", Text($"{written:0.00} s; with FLUSH {flushed:0.00} s"), "≤ 0.5 s"),
            new("allocated per read of 2 KB", Text($"{allocated} bytes, its 2,072 of content among them"), "≤ 4 KB"),
            new($"SMB listing of {ListedFiles} entries", Text($"{listed * 1000:0} ms"), "≤ 60 ms"),
        ];
    }

    private static async Task CleanAsync(SmbTree tree, CancellationToken cancellationToken)
    {
        var names = new List<string>();
        await foreach (var entry in tree.ListAsync(Folder, "*", cancellationToken))
            names.Add(entry.Name);
        await ManyAsync(names.Count, async i => await tree.DeleteAsync($"{Folder}/{names[i]}", cancellationToken));
        await tree.DeleteAsync(Folder, cancellationToken);
    }

    private static async Task ManyAsync(int count, Func<int, Task> one)
    {
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, InFlight).Select(async _ =>
        {
            int i;
            while ((i = Interlocked.Increment(ref next)) < count)
                await one(i);
        }));
    }

    private async Task<OpenShare> OpenAsync(SmbOptions options, CancellationToken cancellationToken)
    {
        var connection = await SmbConnection.ConnectAsync(_server, options, cancellationToken);
        var session = await connection.LogOnAsync(new NtlmCredentials(account, _password), 0, cancellationToken);
        return new OpenShare(connection, await session.ConnectTreeAsync(share, cancellationToken));
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed record OpenShare(SmbConnection Connection, SmbTree Tree) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => Connection.DisposeAsync();
    }

    /// <summary>Adds up the time from the end of a write to the next bytes: what any client would wait.</summary>
    private sealed class WaitingStream(Stream inner) : Stream
    {
        private long _asked;
        private long _waited;

        public TimeSpan Waited => Stopwatch.GetElapsedTime(0, _waited);

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Volatile.Write(ref _asked, Stopwatch.GetTimestamp());
            await inner.WriteAsync(buffer, cancellationToken);
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await inner.ReadAsync(buffer, cancellationToken);
            if (Interlocked.Exchange(ref _asked, 0) is not 0 and var asked)
                Interlocked.Add(ref _waited, Stopwatch.GetTimestamp() - asked);
            return count;
        }

        public override void Flush() => inner.Flush();
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                inner.Dispose();
            base.Dispose(disposing);
        }
    }
}
