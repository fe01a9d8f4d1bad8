using Capstan.Client.Content;
using Capstan.Nal.Providers.Local;
using Capstan.Protocol.Content;
using Capstan.Testing.Content;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Tests.Client.Content;

/// <summary>What a folder that fails does to what is believed to be in it.</summary>
public sealed class PlacementTests : IDisposable
{
    private const string FileName = "file";

    private readonly string _directory = Directory.CreateTempSubdirectory("capstan-placement-").FullName;
    private readonly byte[] _content = MadeEntry.Noise(1, 50_000);
    private readonly LocalChunks _local = new(10);

    private StoredChunk Chunk => new(_content.Length, _content.Length, ContentHash.Of(_content));

    public void Dispose()
    {
        _local.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private Placement Begun(VersionFolder folder)
    {
        var placement = new Placement(folder, _local);
        placement.Begin(new TargetFile(FileName, _content.Length));
        placement.Take(new Extent(ContentHash.Of("pack"u8), 0, [Chunk]));
        return placement;
    }

    private void Put(Placement placement) => placement.Put([new PlainChunk(Assert.Single(placement.Pending), _content, 0)], _ => Assert.Fail("it is right"));

    [Fact]
    public void What_was_not_written_is_still_lacking()
    {
        using var folder = new FaultFolder(_directory) { OnCreate = () => throw new ObjectDisposedException("a bug") };
        using var placement = Begun(folder);
        Assert.Throws<ObjectDisposedException>(() => Put(placement));
        Assert.Equal(0, placement.HereBytes);
        folder.OnCreate = null;
        Put(placement);
        Assert.Equal(_content.Length, placement.HereBytes);
        Assert.Empty(placement.Pending);
        Assert.Equal(_content, File.ReadAllBytes(Path.Combine(_directory, FileName)));
    }

    [Theory]
    [InlineData(LocalErrors.InputOutput)]
    [InlineData(LocalErrors.AccessDenied)]
    public void A_file_that_cannot_be_opened_is_begun_anew(int error)
    {
        var path = Path.Combine(_directory, FileName);
        File.WriteAllBytes(path, [1, 2, 3]);
        using var folder = new FaultFolder(_directory) { OnOpen = () => throw LocalErrors.Of(error, path) };
        using var placement = Begun(folder);
        Put(placement);
        Assert.Equal(_content, File.ReadAllBytes(path));
    }

    [Fact]
    public void A_process_without_handles_removes_nothing()
    {
        const int TooManyFiles = 24;
        var path = Path.Combine(_directory, FileName);
        File.WriteAllBytes(path, [1, 2, 3]);
        using var folder = new FaultFolder(_directory) { OnOpen = () => throw LocalErrors.Of(TooManyFiles, path) };
        Assert.Throws<IOException>(() => Begun(folder));
        Assert.Throws<IOException>(() => folder.OpenWrite(FileName).Dispose());
        Assert.True(File.Exists(path));
    }

    [Fact]
    public void A_published_mode_that_keeps_its_owner_out_hinders_neither_reading_nor_writing_and_stays()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "no modes");
        var path = Path.Combine(_directory, FileName);
        File.WriteAllBytes(path, _content);
        const int OwnerReads = 0b100_000_000, OwnerWrites = 0b010_000_000;
        using var folder = new FaultFolder(_directory);
        folder.SetMode(FileName, OwnerWrites);
        // Root may all the same: as the kernel answers others.
        folder.OnOpen = () =>
        {
            if ((folder.Look(FileName)!.Value.Mode & OwnerReads) == 0)
                throw LocalErrors.Of(LocalErrors.AccessDenied, path);
        };
        using (var placement = Begun(folder))
            Assert.Equal(_content.Length, placement.HereBytes);
        Assert.Equal(OwnerWrites, folder.Look(FileName)!.Value.Mode);
        folder.OpenWrite(FileName).Dispose();
        Assert.Equal(_content, File.ReadAllBytes(path));
    }

    /// <summary>A flat folder of which the test says what its opens answer.</summary>
    private sealed class FaultFolder(string directory) : VersionFolder(directory)
    {
        /// <summary>Called before a file that is there is opened.</summary>
        public Action? OnOpen { get; set; }

        public Action? OnCreate { get; set; }

        public override FolderEntry? Look(string path) => LookAt(AccessOf(path));

        protected override string AccessOf(string path) => Path.Combine(Directory, path);

        protected override void MakeOne(string path) => System.IO.Directory.CreateDirectory(AccessOf(path));

        protected override SafeFileHandle? Open(string path, bool isWrite)
        {
            if (!File.Exists(AccessOf(path)))
                return null;
            OnOpen?.Invoke();
            return File.OpenHandle(AccessOf(path), FileMode.Open, isWrite ? FileAccess.ReadWrite : FileAccess.Read);
        }

        protected override SafeFileHandle Create(string path)
        {
            OnCreate?.Invoke();
            return File.OpenHandle(AccessOf(path), FileMode.CreateNew, FileAccess.ReadWrite);
        }

        public override void Dispose()
        {
        }
    }
}
