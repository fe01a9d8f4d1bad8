using System.Buffers.Text;
using System.Text;
using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Parses dpkg's status database (deb-status(5)): stanzas of "Field: value", continued by lines that start with a blank.</summary>
/// <remarks>One pass over the bytes; only values that are reported become strings, and repeated ones (architectures, maintainers) once.</remarks>
internal sealed class DpkgStatus
{
    /// <summary>Bound of the file; 8,000 packages have 12 MB.</summary>
    public const int MaxBytes = 64 * 1024 * 1024;

    /// <summary>Bound of the list. One more is parsed, so that the caller sees that there are more.</summary>
    public const int MaxPackages = 100_000;

    /// <summary>An installed package. <c>SameAcrossArchitectures</c> is "Multi-Arch: same": its files in info/ have the architecture in their name.</summary>
    internal readonly record struct Entry(string Name, string Version, string? Architecture, string? Maintainer, long? InstalledBytes, string? Summary, bool SameAcrossArchitectures);

    private readonly Dictionary<int, string> _repeated = [];
    private readonly List<Entry> _entries = [];

    /// <param name="statusRequired">False for the fragments of distroless images, where a stanza without Status is installed.</param>
    public static List<Entry> Parse(ReadOnlySpan<byte> file, bool statusRequired)
    {
        var parser = new DpkgStatus();
        while (file.Length > 0 && parser._entries.Count <= MaxPackages)
        {
            file = parser.Stanza(file, statusRequired);
        }
        return parser._entries;
    }

    /// <summary>Reads one stanza and returns what follows it.</summary>
    private ReadOnlySpan<byte> Stanza(ReadOnlySpan<byte> file, bool statusRequired)
    {
        ReadOnlySpan<byte> name = default, version = default, architecture = default, maintainer = default, size = default, description = default, status = default, multiArch = default;
        while (file.Length > 0)
        {
            var end = file.IndexOf((byte)'\n');
            var line = end < 0 ? file : file[..end];
            file = end < 0 ? default : file[(end + 1)..];
            if (line.IsEmpty || line is [(byte)'\r'])
            {
                break;
            }
            // Continuation lines and fields that nobody asks for are most of the file; the first letter tells.
            switch (line[0] | 0x20)
            {
                case 'p': Take(line, "Package:"u8, ref name); break;
                case 'v': Take(line, "Version:"u8, ref version); break;
                case 'a': Take(line, "Architecture:"u8, ref architecture); break;
                case 'm': Take(line, "Maintainer:"u8, ref maintainer); Take(line, "Multi-Arch:"u8, ref multiArch); break;
                case 'i': Take(line, "Installed-Size:"u8, ref size); break;
                case 'd': Take(line, "Description:"u8, ref description); break;
                case 's': Take(line, "Status:"u8, ref status); break;
            }
        }
        if (IsInstalled(status, statusRequired) && FactText.Clean(name) is { } packageName && FactText.Clean(version) is { } packageVersion)
        {
            _entries.Add(new Entry(packageName, packageVersion, Repeated(architecture), Repeated(maintainer), Size(size), FactText.Clean(description), multiArch.SequenceEqual("same"u8)));
        }
        return file;
    }

    /// <summary>Field names are compared without case (deb822(5)); the first of a name counts.</summary>
    private static void Take(ReadOnlySpan<byte> line, ReadOnlySpan<byte> field, ref ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty && line.Length > field.Length && Ascii.EqualsIgnoreCase(line[..field.Length], field))
        {
            value = line[field.Length..].Trim(" \t\r"u8);
        }
    }

    /// <summary>"want flag state": only the state "installed" is (not "config-files", "half-installed", "unpacked").</summary>
    private static bool IsInstalled(ReadOnlySpan<byte> status, bool required) => status.IsEmpty ? !required : status.EndsWith(" installed"u8);

    /// <summary>Installed-Size is in KiB.</summary>
    private static long? Size(ReadOnlySpan<byte> text) =>
        Utf8Parser.TryParse(text, out long kibibytes, out var consumed) && consumed == text.Length && kibibytes is >= 0 and < long.MaxValue / 1024 ? kibibytes * 1024 : null;

    private string? Repeated(ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty)
        {
            return null;
        }
        var hash = new HashCode();
        hash.AddBytes(text);
        var key = hash.ToHashCode();
        if (_repeated.TryGetValue(key, out var known) && Is(known, text))
        {
            return known;
        }
        var clean = FactText.Clean(text);
        if (clean is not null)
        {
            _repeated[key] = clean;
        }
        return clean;
    }

    private static bool Is(string known, ReadOnlySpan<byte> text)
    {
        Span<byte> utf8 = stackalloc byte[512];
        return Encoding.UTF8.TryGetBytes(known, utf8, out var written) && utf8[..written].SequenceEqual(text);
    }

    /// <summary>As the document has it. The date comes from the package's file list, which dpkg writes at each installation or upgrade.</summary>
    internal static InstalledPackage ToPackage(in Entry entry, long? installedAt) =>
        new(entry.Name, entry.Version, entry.Architecture, entry.Maintainer, installedAt, "dpkg", entry.Summary, entry.InstalledBytes);
}
