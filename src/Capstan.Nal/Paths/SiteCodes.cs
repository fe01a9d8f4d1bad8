namespace Capstan.Nal.Paths;

/// <summary>Site codes: three letters or digits, not a device name of DOS: they become names of directories.</summary>
internal static class SiteCodes
{
    public const string Rule = "a site code of three characters A to Z or 0 to 9, not AUX, CON, NUL or PRN";

    /// <summary>The code in upper case; null when it is none.</summary>
    public static string? Canonical(string code) =>
        code.Length == 3 && code.All(char.IsAsciiLetterOrDigit) && code.ToUpperInvariant() is var upper && upper is not ("AUX" or "CON" or "NUL" or "PRN")
            ? upper
            : null;
}
