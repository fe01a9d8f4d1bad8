using System.Security.Cryptography;

namespace Capstan.Protocol.V1;

/// <summary>Id of a package or an advertisement: 8 random characters <c>a</c>–<c>z</c> <c>2</c>–<c>7</c>. Random, so that a site that was restored or built anew does not give an id that means something else to its clients.</summary>
public static class ObjectId
{
    public const int Length = 8;

    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

    public static string New() => RandomNumberGenerator.GetString(Alphabet, Length);

    public static bool IsValid(string text) => text.Length == Length && text.All(c => Alphabet.Contains(c, StringComparison.Ordinal));

    internal static void Check(string member, string id, Problems problems) => problems.Require(IsValid(id), member, "must be 8 characters a-z 2-7");
}
