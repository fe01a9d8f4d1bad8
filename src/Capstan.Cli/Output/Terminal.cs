using Capstan.Site.Console;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Capstan.Cli.Output;

/// <summary>Text for people: tables and facts, coloured only on a terminal.</summary>
internal static class Terminal
{
    public static async Task WriteAsync(CliHost host, IRenderable view)
    {
        var text = new StringWriter { NewLine = "\n" };
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new FixedOutput(text, host.Width),
            Ansi = host.UseColor ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = host.UseColor ? ColorSystemSupport.EightBit : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        console.Profile.Width = host.Width;
        console.Write(view);
        foreach (var line in text.ToString().TrimEnd('\n').Split('\n'))
            await host.Out.WriteLineAsync(line.TrimEnd());
    }

    /// <summary>Names and values in two columns; a value that nobody told is left out.</summary>
    public static Task WriteFactsAsync(CliHost host, IEnumerable<(string Name, string? Value)> facts)
    {
        var grid = new Grid().AddColumn(new GridColumn { NoWrap = true, Padding = new Padding(0, 0, 2, 0) }).AddColumn(new GridColumn { Padding = new Padding(0, 0, 0, 0) });
        foreach (var (name, value) in facts)
        {
            if (!string.IsNullOrWhiteSpace(value))
                grid.AddRow(new Text(name), new Text(VisibleText.Of(value, 1000), StyleOf(value)));
        }
        return WriteAsync(host, grid);
    }

    /// <summary>Colour only repeats what the word says.</summary>
    public static Style StyleOf(string text) => text switch
    {
        "error" or "failed" or "unreachable" => new Style(Color.Red),
        "warning" or "pending" => new Style(Color.Yellow),
        "ok" or "approved" => new Style(Color.Green),
        _ => Style.Plain,
    };

    private sealed class FixedOutput(TextWriter writer, int width) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => false;

        public int Width => width;

        public int Height => 25;

        public void SetEncoding(System.Text.Encoding encoding) => throw new NotSupportedException("The writer of a verb has its encoding.");
    }
}
