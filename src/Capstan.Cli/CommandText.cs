using System.Text;

namespace Capstan.Cli;

/// <summary>Cuts a command line into its arguments, as a shell does and without one: spaces between, quotes of both kinds around, a backslash before a character. Nothing is expanded. Pure.</summary>
internal static class CommandText
{
    /// <returns>Null where a quote is not closed, or a backslash is the last character.</returns>
    public static IReadOnlyList<string>? Split(string text)
    {
        var arguments = new List<string>();
        var argument = new StringBuilder();
        var isArgument = false;
        char quote = '\0';
        for (var at = 0; at < text.Length; at++)
        {
            var c = text[at];
            if (c == '\\' && quote != '\'')
            {
                if (++at == text.Length)
                    return null;
                argument.Append(text[at]);
                isArgument = true;
            }
            else if (quote != '\0')
            {
                if (c == quote)
                    quote = '\0';
                else
                    argument.Append(c);
            }
            else if (c is '"' or '\'')
            {
                quote = c;
                isArgument = true;
            }
            else if (char.IsWhiteSpace(c))
                End();
            else
            {
                argument.Append(c);
                isArgument = true;
            }
        }
        End();
        return quote == '\0' ? arguments : null;

        void End()
        {
            if (isArgument)
                arguments.Add(argument.ToString());
            argument.Clear();
            isArgument = false;
        }
    }
}
