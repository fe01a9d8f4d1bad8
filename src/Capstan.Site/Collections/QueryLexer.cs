using System.Text;

namespace Capstan.Site.Collections;

internal enum QueryTokenKind
{
    End = 1,
    Word = 2,
    Text = 3,
    Number = 4,
    Symbol = 5,
}

/// <param name="Text">The word, the symbol, the digits, or a text without its quotes and escapes.</param>
/// <param name="Column">From 1.</param>
internal readonly record struct QueryToken(QueryTokenKind Kind, string Text, int Column)
{
    public bool IsWord(string word) => Kind == QueryTokenKind.Word && Text.Equals(word, StringComparison.OrdinalIgnoreCase);

    public bool IsSymbol(string symbol) => Kind == QueryTokenKind.Symbol && Text == symbol;

    public override string ToString() => Kind switch
    {
        QueryTokenKind.End => "the end",
        QueryTokenKind.Text => $"the text {QueryText.Quote(Text)}",
        _ => $"'{Text}'",
    };
}

/// <summary>Cuts an expression into words, texts, numbers and symbols. Pure; bounded by <see cref="QueryLimits"/>.</summary>
internal static class QueryLexer
{
    /// <exception cref="QueryException"/>
    public static IReadOnlyList<QueryToken> Read(string text)
    {
        if (text.Length > QueryLimits.Length)
            throw new QueryException($"The expression has {text.Length} characters; at most {QueryLimits.Length} are read.", QueryLimits.Length + 1);
        var tokens = new List<QueryToken>();
        for (var at = 0; at < text.Length;)
        {
            var c = text[at];
            if (char.IsWhiteSpace(c))
            {
                at++;
                continue;
            }
            var token = c switch
            {
                '"' => Quoted(text, ref at),
                '(' or ')' or ',' or '=' => Symbol(text, ref at, 1),
                '!' or '<' or '>' when at + 1 < text.Length && text[at + 1] == '=' => Symbol(text, ref at, 2),
                '<' or '>' => Symbol(text, ref at, 1),
                _ when char.IsAsciiDigit(c) => Run(text, ref at, QueryTokenKind.Number, char.IsAsciiDigit),
                _ when char.IsAsciiLetter(c) => Run(text, ref at, QueryTokenKind.Word, char.IsAsciiLetterOrDigit),
                _ => throw new QueryException($"Column {at + 1}: {Shown(c)} means nothing here; texts stand in double quotes.", at + 1),
            };
            tokens.Add(token);
        }
        tokens.Add(new QueryToken(QueryTokenKind.End, "", text.Length + 1));
        return tokens;
    }

    private static QueryToken Symbol(string text, ref int at, int length)
    {
        var token = new QueryToken(QueryTokenKind.Symbol, text.Substring(at, length), at + 1);
        at += length;
        return token;
    }

    private static QueryToken Run(string text, ref int at, QueryTokenKind kind, Func<char, bool> belongs)
    {
        var from = at;
        while (at < text.Length && belongs(text[at]))
            at++;
        return new QueryToken(kind, text[from..at], from + 1);
    }

    /// <summary>Inside, <c>\"</c> is a quote and <c>\\</c> a backslash; nothing else is escaped.</summary>
    private static QueryToken Quoted(string text, ref int at)
    {
        var from = at++;
        var value = new StringBuilder();
        while (at < text.Length)
        {
            var c = text[at++];
            if (c == '"')
                return value.Length <= QueryLimits.Text
                    ? new QueryToken(QueryTokenKind.Text, value.ToString(), from + 1)
                    : throw new QueryException($"Column {from + 1}: the text has {value.Length} characters; at most {QueryLimits.Text} are compared.", from + 1);
            if (char.IsControl(c))
                throw new QueryException($"Column {at}: {Shown(c)} cannot stand in a text.", at);
            if (c == '\\')
            {
                if (at == text.Length || text[at] is not ('"' or '\\'))
                    throw new QueryException($"Column {at}: after a backslash comes a quote or a backslash.", at);
                c = text[at++];
            }
            value.Append(c);
        }
        throw new QueryException($"Column {from + 1}: this text has no closing quote.", from + 1);
    }

    private static string Shown(char c) => char.IsControl(c) || char.IsSurrogate(c) ? $"the character U+{(int)c:X4}" : $"'{c}'";
}
