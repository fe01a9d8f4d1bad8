using System.Text;
using Capstan.Site.Collections;

namespace Capstan.Testing.Fuzz;

/// <summary>Whatever a person types as a query is refused with a place, or is a tree that its written form gives again, and nothing of it is in the statement.</summary>
public static class QueryFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        var text = Encoding.UTF8.GetString(data);
        Query query;
        try
        {
            query = QueryParser.Parse(text);
        }
        catch (QueryException refusal) when (refusal.Column >= 1 && refusal.Column <= text.Length + 1)
        {
            return;
        }
        var written = QueryText.Write(query);
        if (!query.Equals(QueryParser.Parse(written)))
        {
            throw new InvalidOperationException($"'{text}' is written as '{written}', which is another tree");
        }
        var sql = QuerySql.Compile(query);
        if (sql.Condition.Any(c => !char.IsAsciiLetterOrDigit(c) && !"()._ ,=<>@'![]-+".Contains(c, StringComparison.Ordinal)))
        {
            throw new InvalidOperationException($"'{text}' leaves its own text in the statement: {sql.Condition}");
        }
    }
}
