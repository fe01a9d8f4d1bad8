using Capstan.Site.Api;

namespace Capstan.Site.Console;

/// <summary>How the packs of a CAP are, in a few words; the same in the console and on the command line.</summary>
public static class CapContentText
{
    /// <summary>For example <c>16</c>, <c>3 of 16, 45 MiB to go</c>; <see cref="Display.None"/> while no package is published.</summary>
    public static string Of(CapRow cap)
    {
        ArgumentNullException.ThrowIfNull(cap);
        return cap.Content switch
        {
            null => Display.None,
            { MissingPacks: 0 } content => Display.Count(content.Packs),
            var content => $"{Display.Count(content.Packs - content.MissingPacks)} of {Display.Count(content.Packs)}, {Display.Bytes(content.MissingBytes)} to go",
        };
    }
}
