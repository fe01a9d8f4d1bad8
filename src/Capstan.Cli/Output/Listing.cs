using System.Text.Json;
using System.Text.Json.Serialization;
using Capstan.Site.Console;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Capstan.Cli.Output;

/// <summary>A column of a table for people. Text is shown as text: markup and control characters in it have no effect.</summary>
internal sealed record TableColumn<T>(string Title, Func<T, string?> Text, bool IsNumber = false, bool NoWrap = false);

/// <summary>A column of comma-separated values.</summary>
internal sealed record CsvColumn<T>(string Name, Func<T, object?> Value);

/// <summary>Writes a list in one of the three formats.</summary>
internal sealed class Listing<T>(IReadOnlyList<TableColumn<T>> table, IReadOnlyList<CsvColumn<T>> csv, JsonSerializerContext json, string whenEmpty)
{
    /// <param name="document">What JSON shows; the items themselves when null.</param>
    public async Task WriteAsync(CliHost host, OutputFormat format, IReadOnlyList<T> items, object? document = null)
    {
        switch (format)
        {
            case OutputFormat.Json:
                await Json.WriteAsync(host, document ?? items, document?.GetType() ?? typeof(IReadOnlyList<T>), json);
                break;
            case OutputFormat.Csv:
                await host.Out.WriteAsync(Csv.Line(csv.Select(object? (column) => column.Name)));
                foreach (var item in items)
                    await host.Out.WriteAsync(Csv.Line(csv.Select(column => column.Value(item))));
                break;
            default:
                if (items.Count == 0)
                    await host.Out.WriteLineAsync(whenEmpty);
                else
                    await WriteTableAsync(host, items);
                break;
        }
    }

    private async Task WriteTableAsync(CliHost host, IReadOnlyList<T> items)
    {
        var view = new Table().Border(TableBorder.None);
        view.ShowHeaders = true;
        foreach (var column in table)
        {
            view.AddColumn(new Spectre.Console.TableColumn(new Text(column.Title, new Style(decoration: Decoration.Bold)))
            {
                Alignment = column.IsNumber ? Justify.Right : Justify.Left,
                NoWrap = column.NoWrap,
                Padding = new Padding(0, 0, 2, 0),
            });
        }
        foreach (var item in items)
            view.AddRow(table.Select(IRenderable (column) => Cell(column, item)));
        await Terminal.WriteAsync(host, view);
    }

    private static Text Cell(TableColumn<T> column, T item)
    {
        var text = VisibleText.Of(column.Text(item), 1000);
        return new Text(text.Length == 0 ? Display.None : text, Terminal.StyleOf(text));
    }
}

/// <summary>Writes documents as the API gives them: camelCase, indented, ASCII only, so that no terminal is moved by them.</summary>
internal static class Json
{
    public static async Task WriteAsync(CliHost host, object document, Type type, JsonSerializerContext context)
    {
        var options = new JsonSerializerOptions(context.Options) { WriteIndented = true, TypeInfoResolver = context };
        await host.Out.WriteLineAsync(JsonSerializer.Serialize(document, options.GetTypeInfo(type)));
    }
}
