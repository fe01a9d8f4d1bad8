using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Capstan.Tests.House;

/// <summary>Packages install on machines whose C library has all that the programs call: a name that it lacks is noticed by the loader of no system, only by the call.</summary>
public sealed partial class SystemLibraryTests
{
    private static readonly string[] s_assemblies = ["Capstan.Smb", "Capstan.Ncp", "Capstan.Nal", "Capstan.Protocol", "Capstan.Client", "capstan-client", "Capstan.Site", "capstan"];

    [Theory]
    [InlineData("packaging/client/deb/control")]
    [InlineData("packaging/client/rpm/capstan-client.spec")]
    [InlineData("packaging/site/deb/control")]
    public void Every_call_is_in_the_oldest_library_that_the_package_installs_on(string package)
    {
        // As .NET 10 itself: readelf --version-info of its libcoreclr.so.
        var oldest = new Version(Asked().Match(Repository.Read(package)).Groups["version"].Value);
        Assert.Equal(new Version(2, 27), oldest);

        Assert.SkipUnless(OperatingSystem.IsLinux() && Symbol(0, "gnu_get_libc_version", "GLIBC_2.2.5") != 0, "the C library of this system is not glibc on x86-64");
        var versions = Versions(oldest).ToList();
        var calls = s_assemblies.SelectMany(Calls).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        Assert.Contains("posix_spawn", calls);
        Assert.DoesNotContain(calls, call => versions.TrueForAll(version => Symbol(0, call, version) == 0));
    }

    [Fact]
    public void Call_of_a_later_library_is_told_apart()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Symbol(0, "posix_spawn_file_actions_addchdir_np", "GLIBC_2.29") != 0, "the C library of this system is not a newer glibc");

        Assert.DoesNotContain(Versions(new Version(2, 27)), version => Symbol(0, "posix_spawn_file_actions_addchdir_np", version) != 0);
    }

    /// <summary>Names under which glibc on x86-64 keeps what each of its versions has brought.</summary>
    private static IEnumerable<string> Versions(Version upTo) =>
        new[] { "GLIBC_2.2.5", "GLIBC_2.2.6", "GLIBC_2.3.2", "GLIBC_2.3.3", "GLIBC_2.3.4" }.Concat(Enumerable.Range(3, upTo.Minor - 2).Select(minor => FormattableString.Invariant($"GLIBC_2.{minor}")));

    /// <summary>What an assembly calls of the C library.</summary>
    private static List<string> Calls(string assembly)
    {
        using var file = File.OpenRead(Path.Combine(AppContext.BaseDirectory, assembly + ".dll"));
        using var image = new PEReader(file);
        var metadata = image.GetMetadataReader();
        return [.. metadata.MethodDefinitions.Select(method => metadata.GetMethodDefinition(method).GetImport())
            .Where(import => !import.Module.IsNil && metadata.GetString(metadata.GetModuleReference(import.Module).Name) == "libc")
            .Select(import => metadata.GetString(import.Name))];
    }

    [GeneratedRegex(@"(?:libc6 \(>= |libc\.so\.6\(GLIBC_)(?<version>[0-9.]+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Asked();

    /// <summary>0 for a name that no library of this process has in that version.</summary>
    private static nint Symbol(nint handle, string name, string version) =>
        Marshal.GetDelegateForFunctionPointer<FindVersion>(NativeLibrary.GetExport(NativeLibrary.Load("libc.so.6"), "dlvsym"))(handle, name, version);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate nint FindVersion(nint handle, [MarshalAs(UnmanagedType.LPUTF8Str)] string name, [MarshalAs(UnmanagedType.LPUTF8Str)] string version);
}
