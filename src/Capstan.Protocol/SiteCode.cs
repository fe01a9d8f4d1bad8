namespace Capstan.Protocol;

/// <summary>Three characters A–Z 0–9, and none of the names that DOS-descended systems reserve for devices: AUX, CON, NUL, PRN.</summary>
public static class SiteCode
{
    public static bool IsValid(string? code) =>
        code is { Length: 3 } && code.All(c => c is >= 'A' and <= 'Z' or >= '0' and <= '9') && code is not ("AUX" or "CON" or "NUL" or "PRN");
}
