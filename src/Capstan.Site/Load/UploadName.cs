using System.Globalization;
using Capstan.Protocol;

namespace Capstan.Site.Load;

/// <summary>What the name of an upload says: <c>&lt;device&gt;-&lt;seq&gt;-&lt;length&gt;-&lt;sha256&gt;.jwe</c>. A hint for the order of work, never trusted.</summary>
internal readonly record struct UploadName(DeviceId Device, long Sequence, long LengthBytes, string Sha256)
{
    public static UploadName? Parse(string fileName)
    {
        const string Extension = ".jwe";
        if (!fileName.EndsWith(Extension, StringComparison.Ordinal)
            || fileName[..^Extension.Length].Split('-') is not [var device, var sequence, var length, var hash]
            || !DeviceId.TryParse(device, out var id)
            || !long.TryParse(sequence, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number < 1
            || !long.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes)
            || hash.Length != 64 || !hash.All(char.IsAsciiHexDigitLower))
            return null;
        return new UploadName(id, number, bytes, hash);
    }
}
