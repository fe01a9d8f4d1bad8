using Capstan.Protocol.V1;

namespace Capstan.Site.Collections;

/// <summary>A well-typed expression that selects devices. Immutable; equal trees are equal values.</summary>
/// <remarks>
/// Three-valued: what a device has not told is neither true nor false, and neither is its negation, so that <c>not</c> never selects what nobody knows (fail closed). A device is selected when the whole is true.
/// Written by <see cref="QueryText"/>, read by <see cref="QueryParser"/>, run as <see cref="QuerySql"/>.
/// </remarks>
internal abstract record Query
{
    public sealed record And(Query Left, Query Right) : Query;

    public sealed record Or(Query Left, Query Right) : Query;

    public sealed record Not(Query Operand) : Query;

    /// <summary>Text against text, in any case of letters.</summary>
    public sealed record TextTest(QueryAttribute Attribute, TextOperator Operator, string Value) : Query;

    /// <summary>One of several texts.</summary>
    public sealed record TextIn(QueryAttribute Attribute, TextList Values) : Query;

    /// <summary>An amount, in the base unit of the attribute.</summary>
    public sealed record AmountTest(QueryAttribute Attribute, Comparison Operator, long Value) : Query;

    /// <summary>Whether the device told the attribute at all; the one test that is never unknown.</summary>
    public sealed record Told(QueryAttribute Attribute, bool IsKnown) : Query;

    /// <summary>One of the device's addresses lies in a range.</summary>
    public sealed record AddressIn(Boundary Range, string Text) : Query;

    /// <summary>A package of this name, and of this version where one is given, is installed.</summary>
    /// <param name="IsPattern"><paramref name="Name"/> has <c>*</c> and <c>?</c> in it.</param>
    public sealed record Package(string Name, bool IsPattern, VersionTest? Version) : Query;
}

/// <param name="Value">Compared as the package's own system compares (dpkg, rpm).</param>
internal sealed record VersionTest(Comparison Operator, string Value);

internal enum TextOperator
{
    Equal = 1,
    NotEqual = 2,
    StartsWith = 3,
    EndsWith = 4,
    Contains = 5,
    /// <summary>With <c>*</c> for any characters and <c>?</c> for one.</summary>
    Like = 6,
}

internal enum Comparison
{
    Equal = 1,
    NotEqual = 2,
    Less = 3,
    LessOrEqual = 4,
    Greater = 5,
    GreaterOrEqual = 6,
}

/// <summary>A list of texts that is equal to another of the same texts.</summary>
internal sealed class TextList(IReadOnlyList<string> items) : IEquatable<TextList>
{
    public IReadOnlyList<string> Items { get; } = items;

    public bool Equals(TextList? other) => other is not null && Items.SequenceEqual(other.Items, StringComparer.Ordinal);

    public override bool Equals(object? obj) => Equals(obj as TextList);

    public override int GetHashCode() => Items.Aggregate(Items.Count, (hash, item) => HashCode.Combine(hash, item.GetHashCode(StringComparison.Ordinal)));

    public override string ToString() => $"[{string.Join(", ", Items)}]";
}

/// <summary>How large an expression may be: read at once, evaluated again and again.</summary>
internal static class QueryLimits
{
    /// <summary>Characters.</summary>
    public const int Length = 4_096;
    /// <summary>Parentheses and <c>not</c> inside each other.</summary>
    public const int Depth = 32;
    /// <summary>Conditions.</summary>
    public const int Tests = 100;
    /// <summary>Values of all <c>in</c> lists together.</summary>
    public const int Values = 500;
    /// <summary>Characters of one text.</summary>
    public const int Text = 256;
    /// <summary><c>*</c> in one pattern: each of them multiplies the ways to try.</summary>
    public const int Stars = 4;
}

/// <summary>What is wrong with an expression, and where.</summary>
/// <param name="message">With the column, what is there, and what may stand there.</param>
internal sealed class QueryException(string message, int column) : Exception(message)
{
    /// <summary>From 1.</summary>
    public int Column { get; } = column;
}
