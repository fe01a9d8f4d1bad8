using System.Globalization;
using System.Text;

namespace Capstan.Site.Collections;

/// <summary>The one form in which texts are compared, in the database and out of it: without case, canonically composed, without control characters. Pure.</summary>
/// <remarks>Folded here and stored so, because what databases call the lower case of a letter differs.</remarks>
internal static class Folding
{
    /// <summary>Null stays null; what is empty or blank was not told.</summary>
    public static string? Fold(string? text) => string.IsNullOrWhiteSpace(text) ? null : Value(text);

    /// <summary>The same for a text that a person wrote, which may be empty.</summary>
    public static string Value(string text)
    {
        var clean = new StringBuilder(text.Length);
        // Halves of a character that is not there become the replacement character.
        foreach (var rune in text.EnumerateRunes())
            clean.Append(Rune.IsControl(rune) ? " " : rune.ToString());
        return clean.ToString().Normalize(NormalizationForm.FormC).ToLower(CultureInfo.InvariantCulture).Normalize(NormalizationForm.FormC);
    }
}
