using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Site.Collections;

/// <summary>Reads <c>os startsWith "Debian" and memory >= 4 GiB and not host like "LAB-*"</c> into a well-typed tree. Pure.</summary>
/// <remarks>Words are read in any case of letters. <c>not</c> binds tighter than <c>and</c>, this tighter than <c>or</c>. Nothing is guessed: what does not fit is an error that names its column and what may stand there.</remarks>
internal sealed class QueryParser
{
    private readonly IReadOnlyList<QueryToken> _tokens;
    private int _at;
    private int _depth;
    private int _tests;
    private int _values;

    private QueryParser(IReadOnlyList<QueryToken> tokens) => _tokens = tokens;

    /// <exception cref="QueryException"/>
    public static Query Parse(string text)
    {
        var parser = new QueryParser(QueryLexer.Read(text));
        if (parser.Next.Kind == QueryTokenKind.End)
            throw new QueryException($"The expression is empty, and an empty one selects nobody. Begin with {Beginnings}.", 1);
        var query = parser.Or();
        return parser.Next.Kind == QueryTokenKind.End ? query : throw parser.Expected("'and', 'or' or the end");
    }

    private static string Beginnings => $"an attribute ({string.Join(", ", QueryAttribute.All.Select(attribute => attribute.Name))}), 'address', 'package', 'not' or a parenthesis";

    private QueryToken Next => _tokens[_at];

    private Query Or()
    {
        var left = And();
        while (TakeWord("or"))
            left = new Query.Or(left, And());
        return left;
    }

    private Query And()
    {
        var left = Not();
        while (TakeWord("and"))
            left = new Query.And(left, Not());
        return left;
    }

    private Query Not()
    {
        var isNot = Next.IsWord("not");
        if (!isNot && !Next.IsSymbol("("))
            return Test();
        if (++_depth > QueryLimits.Depth)
            throw new QueryException($"Column {Next.Column}: more than {QueryLimits.Depth} parentheses and 'not' inside each other.", Next.Column);
        _at++;
        Query query;
        if (isNot)
            query = new Query.Not(Not());
        else
        {
            query = Or();
            Take(")", "')', 'and' or 'or'");
        }
        _depth--;
        return query;
    }

    private Query Test()
    {
        if (++_tests > QueryLimits.Tests)
            throw new QueryException($"Column {Next.Column}: more than {QueryLimits.Tests} conditions.", Next.Column);
        if (TakeWord("package"))
            return Package();
        if (TakeWord("address"))
            return Address();
        if (Next.Kind != QueryTokenKind.Word)
            throw Expected(Beginnings);
        if (QueryAttribute.Find(Next.Text) is not { } attribute)
            throw new QueryException($"Column {Next.Column}: there is no attribute '{Next.Text}'. There are: {string.Join(", ", QueryAttribute.All.Select(known => known.Name))}, address, package.", Next.Column);
        _at++;
        if (TakeWord("is"))
            return new Query.Told(attribute, TakeWord("known") || (TakeWord("unknown") ? false : throw Expected("'known' or 'unknown'")));
        return attribute.Type == QueryType.Text ? Text(attribute) : Amount(attribute);
    }

    private Query Text(QueryAttribute attribute)
    {
        if (TakeWord("in"))
            return new Query.TextIn(attribute, Texts());
        TextOperator? comparison = Next switch
        {
            var token when token.IsSymbol("=") => TextOperator.Equal,
            var token when token.IsSymbol("!=") => TextOperator.NotEqual,
            var token when token.IsWord("startsWith") => TextOperator.StartsWith,
            var token when token.IsWord("endsWith") => TextOperator.EndsWith,
            var token when token.IsWord("contains") => TextOperator.Contains,
            var token when token.IsWord("like") => TextOperator.Like,
            _ => null,
        };
        if (comparison is not { } known)
            throw Expected($"=, !=, startsWith, endsWith, contains, like, in, 'is known' or 'is unknown' ({attribute.Name} is a text)");
        _at++;
        var (value, column) = TakeText();
        if (known == TextOperator.Like)
            CheckPattern(value, column);
        return new Query.TextTest(attribute, known, value);
    }

    private TextList Texts()
    {
        Take("(", "a list: (\"a\", \"b\")");
        var values = new List<string>();
        do
        {
            if (++_values > QueryLimits.Values)
                throw new QueryException($"Column {Next.Column}: more than {QueryLimits.Values} values in lists.", Next.Column);
            values.Add(TakeText().Value);
        }
        while (TakeSymbol(","));
        Take(")", "',' or ')'");
        return new TextList(values);
    }

    private Query.AmountTest Amount(QueryAttribute attribute)
    {
        var comparison = TakeComparison() ?? throw Expected($"=, !=, <, <=, >, >=, 'is known' or 'is unknown' ({attribute.Name} is {(attribute.Type == QueryType.Number ? "a number" : attribute.Type == QueryType.Size ? "a size" : "a time")})");
        if (Next.Kind != QueryTokenKind.Number)
            throw Expected($"a whole number with {QueryUnit.Names(attribute.Type)}");
        var token = Next;
        _at++;
        var factor = 1L;
        if (attribute.Type != QueryType.Number)
        {
            factor = Next.Kind == QueryTokenKind.Word && QueryUnit.Factor(attribute.Type, Next.Text) is { } known ? known : throw Expected(QueryUnit.Names(attribute.Type));
            _at++;
        }
        if (!long.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > long.MaxValue / 4 / factor)
            throw new QueryException($"Column {token.Column}: {token.Text} is too large.", token.Column);
        return new Query.AmountTest(attribute, comparison, number * factor);
    }

    private Query.AddressIn Address()
    {
        if (!TakeWord("in"))
            throw Expected("'in' and a network: address in \"10.1.0.0/16\"");
        var (value, column) = TakeText();
        if (!Boundary.TryParse(value, out var range))
            throw new QueryException($"Column {column}: {QueryText.Quote(value)} is no network: write 10.1.0.0/16, 2001:db8:7::/48, 10.1.0.10-10.1.0.99 or one address.", column);
        return new Query.AddressIn(range, value);
    }

    private Query.Package Package()
    {
        var isPattern = TakeWord("like");
        if (!isPattern && Next.Kind != QueryTokenKind.Text)
            throw Expected("a name in quotes, or 'like' and a pattern: package \"firefox\"");
        var (name, column) = TakeText();
        if (name.Length == 0)
            throw new QueryException($"Column {column}: a package has a name.", column);
        if (isPattern)
            CheckPattern(name, column);
        if (!TakeWord("version"))
            return new Query.Package(name, isPattern, null);
        var comparison = TakeComparison() ?? throw Expected("=, !=, <, <=, > or >= and a version in quotes");
        return new Query.Package(name, isPattern, new VersionTest(comparison, TakeText().Value));
    }

    private static void CheckPattern(string pattern, int column)
    {
        if (pattern.Count(c => c == '*') > QueryLimits.Stars)
            throw new QueryException($"Column {column}: a pattern has at most {QueryLimits.Stars} '*'.", column);
    }

    private Comparison? TakeComparison()
    {
        Comparison? comparison = Next.Kind == QueryTokenKind.Symbol
            ? Next.Text switch
            {
                "=" => Comparison.Equal,
                "!=" => Comparison.NotEqual,
                "<" => Comparison.Less,
                "<=" => Comparison.LessOrEqual,
                ">" => Comparison.Greater,
                ">=" => Comparison.GreaterOrEqual,
                _ => null,
            }
            : null;
        if (comparison is not null)
            _at++;
        return comparison;
    }

    private (string Value, int Column) TakeText()
    {
        var token = Next;
        if (token.Kind != QueryTokenKind.Text)
            throw Expected("a text in double quotes");
        _at++;
        return (token.Text, token.Column);
    }

    private bool TakeWord(string word)
    {
        var isIt = Next.IsWord(word);
        if (isIt)
            _at++;
        return isIt;
    }

    private bool TakeSymbol(string symbol)
    {
        var isIt = Next.IsSymbol(symbol);
        if (isIt)
            _at++;
        return isIt;
    }

    private void Take(string symbol, string expected)
    {
        if (!TakeSymbol(symbol))
            throw Expected(expected);
    }

    private QueryException Expected(string what) => new($"Column {Next.Column}: {Next} stands where {what} is expected.", Next.Column);
}
