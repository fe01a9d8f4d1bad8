using System.Data.Common;
using System.Diagnostics;
using Capstan.Site.Store;
using Capstan.Testing;

namespace Capstan.Tests.Site;

/// <summary>The disk of the site's own directory is full. On a real file system of 4 MB, which only root may mount.</summary>
public sealed class FullDiskTests : IAsyncDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("capstan-full-").FullName;
    private readonly string _cap = Directory.CreateTempSubdirectory("capstan-cap-").FullName;
    private bool _mounted;

    public async ValueTask DisposeAsync()
    {
        // Lazily: should something still hold a file, the name is free all the same.
        if (_mounted)
            await RunAsync("umount", "-l", _directory);
        Directory.Delete(_directory, recursive: true);
        Directory.Delete(_cap, recursive: true);
    }

    [Fact]
    public async Task An_upload_waits_while_the_disk_is_full_and_is_taken_in_once_when_there_is_room()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.UserName == "root", "mounting a small file system needs root");
        Assert.SkipUnless(await RunAsync("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", _directory) == 0, "this machine allows no mounting");
        _mounted = true;
        Directory.CreateDirectory(Path.Combine(_directory, "home"));
        await using var site = await SiteHarness.CreateAsync(new ManualTime(), directory: Path.Combine(_directory, "home"));
        site.CapDirectory = _cap;
        await site.AddCapAsync();
        var device = await site.EnrolAsync();
        var filler = Path.Combine(_directory, "filler");
        Fill(filler);

        var (path, content, _) = device.Next(Enumerable.Range(0, 200).Select(n => Capstan.Protocol.V1.Documents.StatusMessage.ToItem(new()
        {
            Severity = "warning",
            Code = "x",
            Component = "c",
            Text = new string((char)('a' + n % 26), 4_000) + n,
            ReportedAt = n,
        })).ToList());
        site.Drop(path, content);
        var full = await Assert.ThrowsAnyAsync<DbException>(site.DrainAsync);
        Assert.True(Dialect.IsDiskFull(full));
        Assert.Single(site.Inbox());
        Assert.Equal(1, (await site.ClientAsync(device)).Sequence);

        File.Delete(filler);
        await site.DrainAsync();
        Assert.Empty(site.Inbox());
        Assert.Equal(2, (await site.ClientAsync(device)).Sequence);
        Assert.Equal(200, (await site.Get<StatusStore>().ListAsync(device.Id.Value, "warning", null, 1_000, CancellationToken.None)).Count);
        device.Dispose();
    }

    private static void Fill(string path)
    {
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        var block = new byte[4096];
        try
        {
            while (true)
                file.Write(block);
        }
        catch (IOException)
        {
            // Full: what was asked for.
        }
    }

    private static async Task<int> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardError = true }) ?? throw new InvalidOperationException(program);
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}
