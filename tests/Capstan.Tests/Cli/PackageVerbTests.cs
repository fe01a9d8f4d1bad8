using System.Diagnostics;
using System.Net;
using Capstan.Cli;
using Capstan.Cli.Packages;
using Capstan.Nal.Paths;
using Capstan.Site.Api;
using Capstan.Testing;
using Capstan.Tests.Site;
using Capstan.Tests.Site.Content;

namespace Capstan.Tests.Cli;

/// <summary><c>capstan package</c> and <c>content</c> against a real site, and what of a source is refused before a byte is sent.</summary>
public sealed class PackageVerbTests : ServedSiteTests
{
    private readonly CliRun _cli = new();

    private string Source => Path.Combine(_cli.Directory, "src");

    [Fact]
    public async Task A_directory_is_published_listed_shown_verified_and_removed()
    {
        Write("bin/tool", "hello");
        Write("notes.txt", "one");
        File.CreateSymbolicLink(Path.Combine(Source, "tool"), "bin/tool");
        Assert.Equal(ExitCode.Done, await RunAsync("package", "create", Source, "--name", "Test"));
        Write("notes.txt", "two");
        Assert.Equal(ExitCode.Done, await RunAsync("package", "create", Source, "--id", "Test"));
        Assert.Equal(ExitCode.Done, await RunAsync("package", "create", Source, "--id", "Test"));
        Assert.Contains("version 2: 2 files", _cli.Out, StringComparison.Ordinal);
        Assert.Contains("has this content already, as version 2", _cli.Out, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Done, await RunAsync("package", "list"));
        Assert.Equal(ExitCode.Done, await RunAsync("package", "show", "Test"));
        Assert.Equal(ExitCode.Done, await RunAsync("package", "remove", "Test", "--version", "1"));
        Assert.Equal(ExitCode.Done, await RunAsync("content", "verify"));
        Assert.Contains("Everything is whole.", _cli.Out, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Done, await RunAsync("package", "remove", "Test"));
        Assert.Equal(ExitCode.NotFound, await RunAsync("package", "show", "Test"));
    }

    [Fact]
    public async Task A_single_file_is_a_package_of_one_file()
    {
        Write("setup.sh", "exit 0");
        Assert.Equal(ExitCode.Done, await RunAsync("package", "create", Path.Combine(Source, "setup.sh"), "--name", "Setup"));
        Assert.Contains("version 1: 1 file, 6 B. It takes ", _cli.Out, StringComparison.Ordinal);
        Assert.Contains(" more of the site and of each client access point: what was not there yet, packed, and the list of its files.", _cli.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_site_and_its_CAPs_are_no_source_nor_what_holds_them_or_lies_in_them()
    {
        var cap = Path.Combine(Folder, "cap");
        await Api.AddCapAsync(new CapAdd(NalPath.FromDirectory(cap).ToString()), CancellationToken.None);
        File.CreateSymbolicLink(Path.Combine(_cli.Directory, "hidden"), Path.Combine(SiteDirectory, "keys"));
        foreach (var (source, said) in ((string, string)[])[(SiteDirectory, "is the site's own directory"), (Path.Combine(SiteDirectory, "keys"), "inside the site's own"), (Folder, "above the site's own"),
            (Path.Combine(cap, "metadata"), "inside a client access point"), (Path.Combine(_cli.Directory, "hidden"), "inside the site's own"), (Path.Combine(SiteDirectory, "site.json"), "inside the site's own")])
        {
            Assert.Equal(ExitCode.Usage, await RunAsync("package", "create", source, "--name", "Test"));
            Assert.Contains(said, _cli.Error, StringComparison.Ordinal);
        }
        Assert.Empty(await Api.PackagesAsync(CancellationToken.None));
        // Also for who knows the site by its address alone.
        var token = Path.Combine(_cli.Directory, "token");
        File.Copy(Path.Combine(SiteDirectory, "api-token"), token);
        Assert.Equal(ExitCode.Usage, await _cli.RunAsync("package", "create", Path.Combine(SiteDirectory, "keys"), "--name", "Test", "--url", (await Server.Listening).ToString(), "--api-token-file", token));
        Assert.EndsWith("give a source that lies elsewhere", _cli.Error.TrimEnd(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_is_taken_is_refused_before_anything_is_sent()
    {
        Write("a", "1");
        Assert.Equal(ExitCode.Done, await RunAsync("package", "create", Source, "--name", "Test"));
        Assert.Equal(ExitCode.Failed, await RunAsync("package", "create", Source, "--name", "TEST"));
        Assert.Contains("--id", _cli.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Usage, await RunAsync("package", "create", Source));
        Assert.Equal(ExitCode.Usage, await RunAsync("package", "create", Source, "--name", "x", "--id", "y"));
    }

    [Fact]
    public async Task A_killed_command_leaves_no_package()
    {
        using var archive = new CutContent();
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Api.CreatePackageAsync("Test", archive, null, CancellationToken.None));
        Assert.Empty(await Api.PackagesAsync(CancellationToken.None));
        Write("a", "1");
        Assert.Equal(ExitCode.Done, await RunAsync("package", "create", Source, "--name", "Test"));
    }

    [Fact]
    public async Task A_refusal_in_the_middle_of_an_upload_is_told_with_its_cause()
    {
        // More than any socket buffers hold, and the site's disk is full after its first part.
        await using var disk = await SmallDisk.MountAsync(megabytes: 24);
        Directory.CreateSymbolicLink(Path.Combine(SiteDirectory, "content"), disk.Directory);
        Write("first", "1");
        await File.WriteAllBytesAsync(Path.Combine(Source, "large"), ContentWorld.Bytes(1, 128 << 20), TestContext.Current.CancellationToken);
        Assert.Equal(ExitCode.Failed, await RunAsync("package", "create", Source, "--name", "Test"));
        Assert.Contains("disk of the site is full", _cli.Error, StringComparison.Ordinal);
        Assert.Contains("make room", _cli.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("did not answer", _cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_archive_is_told_although_more_of_it_comes()
    {
        using var archive = new EndlessContent();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        await Assert.ThrowsAnyAsync<Exception>(() => Api.CreatePackageAsync("Test", archive, "upload-1", stop.Token));
        var upload = await Api.PackageUploadAsync("upload-1", TestContext.Current.CancellationToken);
        Assert.Equal((PackageUpload.Refused, "bad_package"), (upload.State, upload.Problem!.Code));
        Assert.Contains("no whole tar archive", upload.Problem.Detail, StringComparison.Ordinal);
        // A name for each.
        using var small = new ByteArrayContent([1]);
        Assert.Equal("bad_package", (await Assert.ThrowsAsync<ApiException>(() => Api.CreatePackageAsync("Test", small, "upload-1", stop.Token))).Code);
        Assert.Equal("not_found", (await Assert.ThrowsAsync<ApiException>(() => Api.PackageUploadAsync("other", stop.Token))).Code);
    }

    [Theory]
    [InlineData("a/b")]
    [InlineData("..")]
    [InlineData(" ")]
    public async Task A_name_that_has_no_address_is_refused(string name)
    {
        Write("a", "1");
        Assert.Equal(ExitCode.Usage, await RunAsync("package", "create", Source, "--name", name));
        Assert.Contains("The name of a package", _cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_second_of_two_uploads_says_that_it_waits_and_for_what()
    {
        using var first = new HeldContent();
        var sending = Api.CreatePackageAsync("First", first, "first", CancellationToken.None);
        await StateAsync("first", PackageUpload.Receiving);
        using var second = new HeldContent();
        var waiting = Api.CreatePackageAsync("Second", second, "second", CancellationToken.None);
        Assert.Equal("publishing First", (await StateAsync("second", PackageUpload.Waiting)).WaitingFor);
        first.Release();
        Assert.Equal(1, (await sending).Version);
        second.Release();
        Assert.Equal(1, (await waiting).Version);
        Assert.Equal(1, (await StateAsync("second", PackageUpload.Published)).Result!.Version);
    }

    [Fact]
    public void All_that_cannot_be_published_is_said_at_once()
    {
        Write("good", "1");
        Write("new\nline", "1");
        File.CreateSymbolicLink(Path.Combine(Source, "absolute"), "/etc/passwd");
        File.CreateSymbolicLink(Path.Combine(Source, "outside"), "../../x");
        Shell("mkfifo pipe; : > \"$(printf 'raw\\377')\"");
        var refused = Assert.Throws<CliException>(() => PackageSource.Read(Source, []));
        foreach (var said in (string[])[@"new\u{0A}line: a name has no control", "absolute: a link is relative", "outside: a link does not lead outside (it leads to ../../x)", "pipe: a device, a pipe", "its name is not UTF-8"])
            Assert.Contains(said, refused.Message, StringComparison.Ordinal);
        Assert.Equal(6, refused.Message.Split('\n').Length);
        // Nothing of .NET can name it.
        Shell("rm raw*");
    }

    [Fact]
    public void An_empty_source_is_refused()
    {
        Directory.CreateDirectory(Path.Combine(Source, "only", "directories"));
        Assert.Contains("holds no file", Assert.Throws<CliException>(() => PackageSource.Read(Source, [])).Message, StringComparison.Ordinal);
        Assert.Equal(ExitCode.NotFound, Assert.Throws<CliException>(() => PackageSource.Read(Path.Combine(Source, "nothing"), [])).ExitCode);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_file_that_somebody_writes_meanwhile_is_sent_again(int times)
    {
        Write("file", new string('a', LongFile));
        using var archive = new PackageArchive(PackageSource.Read(Source, []));
        using var into = new WritingStream(Path.Combine(Source, "file"), times);
        await archive.CopyToAsync(into, CancellationToken.None);
        into.Position = 0;
        var made = await Api.CreatePackageAsync("Test", new StreamContent(into), null, CancellationToken.None);
        Assert.Equal((1, LongFile + (long)times), (made.FileCount, made.SizeBytes));
    }

    [Fact]
    public async Task A_file_that_never_rests_is_refused_by_name()
    {
        Write("file", new string('a', LongFile));
        using var archive = new PackageArchive(PackageSource.Read(Source, []));
        using var into = new WritingStream(Path.Combine(Source, "file"), int.MaxValue);
        var refused = await Assert.ThrowsAnyAsync<Exception>(() => archive.CopyToAsync(into, CancellationToken.None));
        Assert.Contains("file changes while it is read", refused.ToString(), StringComparison.Ordinal);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _cli.Dispose();
        GC.SuppressFinalize(this);
    }

    private void Shell(string script)
    {
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", script]) { WorkingDirectory = Source })!;
        shell.WaitForExit();
    }

    private Task<int> RunAsync(params string[] arguments) => _cli.RunAsync([.. arguments, "--data", SiteDirectory]);

    /// <summary>Longer than what is sent at once.</summary>
    private const int LongFile = 1_000_000;

    private void Write(string name, string content)
    {
        var path = Path.Combine(Source, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
    }

    /// <summary>Whenever something arrives, somebody adds a byte to the file, a given number of times.</summary>
    private sealed class WritingStream(string file, int times) : MemoryStream
    {
        private int _left = times;

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await base.WriteAsync(buffer, cancellationToken);
            // The header of an entry names it; the file is open by then, and too long to be read by now.
            if (_left > 0 && buffer.Span.IndexOf("file"u8) >= 0)
            {
                _left--;
                await File.AppendAllTextAsync(file, "x", cancellationToken);
            }
        }
    }

    private async Task<PackageUpload> StateAsync(string upload, string state)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        enough.CancelAfter(Patience.Limit);
        while (true)
        {
            enough.Token.ThrowIfCancellationRequested();
            try
            {
                if (await Api.PackageUploadAsync(upload, enough.Token) is { } found && found.State == state)
                    return found;
            }
            catch (ApiException cause) when (cause.Code == "not_found")
            {
                // The request has not arrived yet.
                await Task.Yield();
            }
        }
    }

    /// <summary>What is no archive, for as long as somebody takes it: 1 GiB.</summary>
    private sealed class EndlessContent : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            var block = ContentWorld.Bytes(1, 1 << 20);
            for (var i = 0; i < 1024; i++)
                await stream.WriteAsync(block);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    /// <summary>An archive whose end comes when a test says so.</summary>
    private sealed class HeldContent : HttpContent
    {
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Release() => _released.TrySetResult();

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            var archive = ContentWorld.Archive(("a", ContentWorld.Bytes(1, 100_000))).ToArray();
            await stream.WriteAsync(archive.AsMemory(0, 50_000));
            await stream.FlushAsync();
            await _released.Task.WaitAsync(Patience.Limit);
            await stream.WriteAsync(archive.AsMemory(50_000));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    /// <summary>A body whose sender dies.</summary>
    private sealed class CutContent : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(new byte[100_000]);
            await stream.FlushAsync();
            throw new IOException("killed");
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
