using System.Buffers.Text;
using System.Text;

namespace Capstan.Site.Distribution.Content;

/// <summary>What goes before an entry and says more of it than a header holds: POSIX's extended headers, GNU's long names. Pure.</summary>
/// <param name="Name">Null when the header's own counts; so with the others.</param>
/// <param name="IsSparse">What follows is not the file itself but a list of its pieces.</param>
internal readonly record struct TarExtension(string? Name, string? Target, long? SizeBytes, bool IsSparse)
{
    /// <summary>This with what one more of them says.</summary>
    /// <param name="type"><c>x</c>, <c>L</c> or <c>K</c>.</param>
    /// <param name="content">All of it.</param>
    /// <exception cref="InvalidDataException">It is not of its form.</exception>
    public TarExtension With(char type, ReadOnlySpan<byte> content) => type switch
    {
        'L' => this with { Name = TarHeader.Text(content) },
        'K' => this with { Target = TarHeader.Text(content) },
        _ => WithRecords(content),
    };

    /// <summary>The header as the extension has it.</summary>
    public TarHeader Of(TarHeader header) => header with { Name = Name ?? header.Name, Target = Target ?? header.Target, SizeBytes = SizeBytes ?? header.SizeBytes };

    /// <summary>Records of <c>length name=value</c> and a newline; the length is that of the whole record.</summary>
    private TarExtension WithRecords(ReadOnlySpan<byte> content)
    {
        var extension = this;
        while (!content.IsEmpty)
        {
            if (!Utf8Parser.TryParse(content, out int length, out var digits) || length <= digits + 2 || length > content.Length || content[digits] != ' ' || content[length - 1] != '\n')
                throw new InvalidDataException("an extended header is not of its form");
            var record = content[(digits + 1)..(length - 1)];
            content = content[length..];
            var equals = record.IndexOf((byte)'=');
            if (equals < 1)
                throw new InvalidDataException("an extended header is not of its form");
            var name = record[..equals];
            var value = record[(equals + 1)..];
            if (name.SequenceEqual("path"u8))
                extension = extension with { Name = Encoding.UTF8.GetString(value) };
            else if (name.SequenceEqual("linkpath"u8))
                extension = extension with { Target = Encoding.UTF8.GetString(value) };
            else if (name.SequenceEqual("size"u8))
                extension = extension with { SizeBytes = TarHeader.Size(Encoding.UTF8.GetString(value)) };
            else if (name.StartsWith("GNU.sparse."u8))
                extension = extension with { IsSparse = true };
        }
        return extension;
    }
}
