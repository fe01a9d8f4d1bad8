using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Bench.Figures;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Testing.Servers;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Bench.Fleet;

/// <summary>Rounds of concurrent reads, each followed by a look at the server: what is still open, and for how long. Ours beside a pool with an idle timer, <c>rclone</c>.</summary>
/// <param name="duration">Of ours, and then of the peer.</param>
internal sealed class LeakSoak(TimeSpan duration)
{
    private const int Batches = 3;
    private const int Reads = 20;
    private const string Share = "cap";
    private const string Account = "capa";

    /// <summary>The peer's idle timer is a minute.</summary>
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(150);

    public async IAsyncEnumerable<Figure> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new SambaShare(Share)] });
        for (var file = 0; file < Reads; file++)
            await File.WriteAllBytesAsync(Path.Combine(samba.FolderOf(Share), $"file{file}"), new byte[64 << 10], cancellationToken);
        await Tools.RunAsync("chmod", ["-R", "a+rX", samba.FolderOf(Share)]);
        var watch = new ServerWatch(samba, Share);
        var directory = Directory.CreateTempSubdirectory("capstan-soak-");
        try
        {
            yield return await OursAsync(samba, watch, directory, cancellationToken);
            yield return Tools.Find("rclone") is null
                ? new Figure("`rclone`, the same reads", "not installed", "")
                : await RcloneAsync(samba, watch, directory, cancellationToken);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private async Task<Figure> OursAsync(SambaServer samba, ServerWatch watch, DirectoryInfo directory, CancellationToken cancellationToken)
    {
        var share = NalPath.Parse($"smb://127.0.0.1:{samba.Port}/{Share}/");
        var options = new ArbiterOptions { Machine = NalMachine.At(Path.Combine(directory.FullName, "nal")) };
        await using var arbiter = new ConnectionArbiter(StorageProviders.All(TimeProvider.System), options, TimeProvider.System, new Random(1), NullLoggerFactory.Instance);
        arbiter.SetAccounts(share.Server!, [new ConnectionAccount(Account, new Secret(SambaServer.PasswordOf(Account)))]);
        return await RoundsAsync("ours", async () =>
        {
            for (var batch = 0; batch < Batches; batch++)
                await Task.WhenAll(Enumerable.Range(0, Reads).Select(file => ReadAsync(arbiter, share, $"file{file}", cancellationToken)));
        }, watch, "0 within 1 s");
    }

    private static async Task ReadAsync(ConnectionArbiter arbiter, NalPath share, string file, CancellationToken cancellationToken)
    {
        var lease = (await arbiter.AcquireAsync(share, new LeasePurpose("soak"), cancellationToken)).Lease ?? throw new InvalidOperationException("a server without a limit refused");
        await using (lease)
            _ = await lease.Store.ReadAllAsync(StorePath.Parse(file), 1 << 20, cancellationToken) ?? throw new InvalidOperationException($"{file} is gone");
    }

    /// <summary>One <c>rclone rcd</c> for the whole run, as a program that embeds it would have; it copies through its pool.</summary>
    private async Task<Figure> RcloneAsync(SambaServer samba, ServerWatch watch, DirectoryInfo directory, CancellationToken cancellationToken)
    {
        var target = directory.CreateSubdirectory("rclone");
        var secret = (await Tools.RunAsync("rclone", ["obscure", SambaServer.PasswordOf(Account)])).Trim();
        var address = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{SambaServer.FreePort()}");
        using var daemon = Process.Start(Tools.StartInfo("rclone", ["rcd", "--rc-no-auth", "--rc-addr", address, "--config", "/dev/null", "--transfers", $"{Reads}"], []))!;
        _ = daemon.StandardError.BaseStream.CopyToAsync(Stream.Null, cancellationToken);
        _ = daemon.StandardOutput.BaseStream.CopyToAsync(Stream.Null, cancellationToken);
        try
        {
            using var http = new HttpClient { BaseAddress = new Uri($"http://{address}"), Timeout = TimeSpan.FromMinutes(2) };
            await AnswersAsync(http, cancellationToken);
            return await RoundsAsync("`rclone` 1.60, its pool", async () =>
            {
                for (var batch = 0; batch < Batches; batch++)
                {
                    var into = target.CreateSubdirectory(Path.GetRandomFileName());
                    using var call = new StringContent($$"""{"srcFs":":smb,host=127.0.0.1,port={{samba.Port}},user={{Account}},pass='{{secret}}':{{Share}}","dstFs":"{{into.FullName}}"}""", new System.Net.Http.Headers.MediaTypeHeaderValue("application/json"));
                    using var answer = await http.PostAsync(new Uri("/sync/copy", UriKind.Relative), call, cancellationToken);
                    if (!answer.IsSuccessStatusCode)
                        throw new InvalidOperationException($"rclone: {await answer.Content.ReadAsStringAsync(cancellationToken)}");
                    into.Delete(recursive: true);
                }
            }, watch, "");
        }
        finally
        {
            daemon.Kill();
        }
    }

    private static async Task AnswersAsync(HttpClient http, CancellationToken cancellationToken)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                using var answer = await http.PostAsync(new Uri("/rc/noop", UriKind.Relative), content: null, cancellationToken);
                return;
            }
            catch (HttpRequestException) when (tries < 200)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancellationToken);
            }
        }
    }

    private async Task<Figure> RoundsAsync(string name, Func<Task> round, ServerWatch watch, string goal)
    {
        var clock = Stopwatch.StartNew();
        var open = new List<int>();
        var empty = new List<double>();
        var peak = 0;
        do
        {
            var (_, seen) = await watch.PeakAsync(async () =>
            {
                await round();
                return true;
            });
            peak = Math.Max(peak, seen);
            open.Add(await watch.CountAsync());
            empty.Add((await watch.EmptyAfterAsync(s_longest)).TotalSeconds);
        }
        while (clock.Elapsed < duration);
        empty.Sort();
        return new Figure($"{name}: {open.Count} rounds of {Batches} × {Reads} reads in {clock.Elapsed.TotalMinutes.ToString("F1", CultureInfo.InvariantCulture)} min",
            string.Create(CultureInfo.InvariantCulture, $"peak {peak}; right after a round at most {open.Max()} connections; none after {empty[empty.Count / 2]:F2} s (median), {empty[^1]:F2} s (worst)"), goal);
    }
}
