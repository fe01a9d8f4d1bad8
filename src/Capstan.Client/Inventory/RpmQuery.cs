using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>What rpm is asked to print, and how its answer is read.</summary>
internal static class RpmQuery
{
    /// <summary>Fields end with unit separator and records with record separator: no header text holds these, while summaries and vendors may hold tabs and newlines.</summary>
    public const string Format = "%{NAME}\u001f%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\u001f%{ARCH}\u001f%{VENDOR}\u001f%{PACKAGER}\u001f%{INSTALLTIME}\u001f%{LONGSIZE}\u001f%{SUMMARY}\u001e";

    /// <summary>The last character of each record.</summary>
    public const char RecordEnd = '\u001e';

    /// <summary>Bound of the answer; 10,000 packages have 3 MB.</summary>
    public const int MaxBytes = 64 * 1024 * 1024;

    private const int Fields = 8;

    /// <summary>Packages in the answer's order. Imported signing keys ("gpg-pubkey") are no software; a record that is not whole is left out.</summary>
    public static List<InstalledPackage> Parse(ReadOnlySpan<char> answer)
    {
        var packages = new List<InstalledPackage>();
        Span<Range> fields = stackalloc Range[Fields + 1];
        while (answer.IndexOf(RecordEnd) is >= 0 and var end)
        {
            var record = answer[..end];
            answer = answer[(end + 1)..];
            if (record.Split(fields, '\u001f') != Fields || Text(record[fields[0]]) is not { } name || Text(record[fields[1]]) is not { } version || name == "gpg-pubkey")
            {
                continue;
            }
            packages.Add(new InstalledPackage(name, version, Text(record[fields[2]]), Text(record[fields[3]]) ?? Text(record[fields[4]]),
                FactText.Seconds(FactText.Number(record[fields[5]])), "rpm", Text(record[fields[7]]),
                FactText.Number(record[fields[6]]) is >= 0 and var size ? size : null));
        }
        return packages;
    }

    /// <summary>rpm prints "(none)" for a tag that a package does not have.</summary>
    private static string? Text(ReadOnlySpan<char> field) => FactText.Clean(field.ToString()) is { } text && text != "(none)" ? text : null;
}
