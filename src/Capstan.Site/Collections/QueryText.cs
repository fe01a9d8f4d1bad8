using System.Text;

namespace Capstan.Site.Collections;

/// <summary>Writes an expression in its one form, which reads back as the same tree. Pure.</summary>
internal static class QueryText
{
    public static string Write(Query query)
    {
        var text = new StringBuilder();
        Write(text, query, Binding.Or);
        return text.ToString();
    }

    public static string Quote(string text) => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    public static string Symbol(Comparison comparison) => comparison switch
    {
        Comparison.Equal => "=",
        Comparison.NotEqual => "!=",
        Comparison.Less => "<",
        Comparison.LessOrEqual => "<=",
        Comparison.Greater => ">",
        _ => ">=",
    };

    public static string Word(TextOperator comparison) => comparison switch
    {
        TextOperator.Equal => "=",
        TextOperator.NotEqual => "!=",
        TextOperator.StartsWith => "startsWith",
        TextOperator.EndsWith => "endsWith",
        TextOperator.Contains => "contains",
        _ => "like",
    };

    /// <summary>How tightly the place binds that a part is written into.</summary>
    private enum Binding
    {
        Or = 1,
        And = 2,
        Not = 3,
    }

    private static void Write(StringBuilder text, Query query, Binding place)
    {
        var own = query switch
        {
            Query.Or => Binding.Or,
            Query.And => Binding.And,
            _ => Binding.Not,
        };
        if (own < place)
            text.Append('(');
        switch (query)
        {
            // To the left the same binding goes on; to the right it is a part of its own.
            case Query.Or or:
                Write(text, or.Left, Binding.Or);
                text.Append(" or ");
                Write(text, or.Right, Binding.And);
                break;
            case Query.And and:
                Write(text, and.Left, Binding.And);
                text.Append(" and ");
                Write(text, and.Right, Binding.Not);
                break;
            case Query.Not not:
                text.Append("not ");
                Write(text, not.Operand, Binding.Not);
                break;
            default:
                text.Append(Test(query));
                break;
        }
        if (own < place)
            text.Append(')');
    }

    private static string Test(Query query) => query switch
    {
        Query.TextTest test => $"{test.Attribute.Name} {Word(test.Operator)} {Quote(test.Value)}",
        Query.TextIn test => $"{test.Attribute.Name} in ({string.Join(", ", test.Values.Items.Select(Quote))})",
        Query.AmountTest test => $"{test.Attribute.Name} {Symbol(test.Operator)} {QueryUnit.Write(test.Attribute.Type, test.Value)}",
        Query.Told test => $"{test.Attribute.Name} is {(test.IsKnown ? "known" : "unknown")}",
        Query.AddressIn test => $"address in {Quote(test.Text)}",
        Query.Package test => $"package {(test.IsPattern ? "like " : "")}{Quote(test.Name)}{(test.Version is { } version ? $" version {Symbol(version.Operator)} {Quote(version.Value)}" : "")}",
        _ => throw new ArgumentOutOfRangeException(nameof(query), query, "no test"),
    };
}
