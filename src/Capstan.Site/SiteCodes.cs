namespace Capstan.Site;

/// <summary>The grammar of site codes: three characters A–Z 0–9, none of the names that some storage reserves.</summary>
public static class SiteCodes
{
    /// <summary>What is wrong with a code; null when nothing is.</summary>
    public static string? Fault(string code)
    {
        ArgumentNullException.ThrowIfNull(code);
        if (code.Length != 3 || !code.All(c => c is >= 'A' and <= 'Z' or >= '0' and <= '9'))
            return $"'{code}' is not a site code: it has three characters, A to Z (upper case) or 0 to 9, for example ABC";
        return code is "AUX" or "CON" or "NUL" or "PRN"
            ? $"'{code}' cannot be a site code: it is the name of a device on Windows; choose another, for example ABC"
            : null;
    }
}
