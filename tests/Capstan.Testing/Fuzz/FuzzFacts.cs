using Capstan.Client.Inventory;

namespace Capstan.Testing.Fuzz;

/// <summary>What must hold for every text that an inventory parser gives out.</summary>
internal static class FuzzFacts
{
    public static void Check(params ReadOnlySpan<string?> texts)
    {
        foreach (var text in texts)
        {
            if (text is null)
            {
                continue;
            }
            if (text.Length is 0 or > FactText.MaxChars || text.AsSpan().ContainsAnyInRange('\0', '\u001f'))
            {
                throw new InvalidOperationException($"a text of {text.Length} characters, or with control characters");
            }
        }
    }
}
