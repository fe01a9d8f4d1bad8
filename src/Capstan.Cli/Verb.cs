using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli;

/// <summary>A command with examples in its help, whose refusals become one line and an exit code.</summary>
internal sealed class Verb : Command
{
    /// <param name="examples">As a person types them; each stands in the help.</param>
    public Verb(string name, string description, params IReadOnlyList<string> examples) : base(name, description) => Examples = examples;

    public IReadOnlyList<string> Examples { get; }

    /// <summary>Sets what the verb does.</summary>
    /// <returns>This verb.</returns>
    public Verb Does(CliHost host, Func<ParseResult, CancellationToken, Task<int>> action)
    {
        SetAction(async (parse, cancellationToken) =>
        {
            try
            {
                if (parse.GetValue<string?>(Capstan.Cli.Arguments.NalDirectoryName) is { Length: > 0 } directory)
                    host.Machine = NalMachine.Of(host.FullPath(directory));
                return await action(parse, cancellationToken);
            }
            catch (Exception failure) when (Failures.Explain(failure) is { } known)
            {
                // What this process says itself may have several lines; what somebody else says has one.
                var lines = failure is CliException ? known.Message.Split('\n') : [known.Message];
                await host.Error.WriteLineAsync($"capstan: {string.Join('\n', lines.Select(static line => VisibleText.Of(line)))}");
                return known.ExitCode;
            }
        });
        return this;
    }

    /// <summary>As <see cref="Does"/>, with a site's API, and with the options that find the site and choose the format after those that the verb has already.</summary>
    public Verb Asks(CliHost host, Func<ParseResult, ApiClient, OutputFormat, CancellationToken, Task<int>> action)
    {
        var site = new SiteLocation();
        var output = Capstan.Cli.Arguments.Output();
        return With(output).With([.. site.Options]).Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, api => action(parse, api, parse.GetValue(output), cancellationToken)));
    }

    /// <summary>As <see cref="Asks"/>: writes a list.</summary>
    public Verb Lists<T>(CliHost host, Listing<T> rows, Func<ApiClient, CancellationToken, Task<IReadOnlyList<T>>> read) => Asks(host, async (_, api, format, cancellationToken) =>
    {
        await rows.WriteAsync(host, format, await read(api, cancellationToken));
        return ExitCode.Done;
    });

    public Verb With(params ReadOnlySpan<Symbol> symbols)
    {
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Argument argument: Add(argument); break;
                case Option option: Add(option); break;
                case Command command: Add(command); break;
                default: throw new ArgumentException($"A verb has no place for a {symbol.GetType().Name}.", nameof(symbols));
            }
        }
        return this;
    }

    /// <summary>Makes every help of <paramref name="root"/> end with the examples of its verb.</summary>
    public static void AddExamplesToHelp(RootCommand root, IReadOnlyList<string> rootExamples)
    {
        foreach (var option in root.Options.OfType<HelpOption>())
        {
            if (option.Action is HelpAction help)
                option.Action = new HelpWithExamples(help, rootExamples);
        }
    }

    /// <summary>The usual help, then the examples.</summary>
    private sealed class HelpWithExamples(HelpAction help, IReadOnlyList<string> rootExamples) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            var result = help.Invoke(parseResult);
            var examples = parseResult.CommandResult.Command is Verb verb ? verb.Examples : rootExamples;
            var output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (var example in examples)
                output.WriteLine($"  {example}");
            return result;
        }
    }
}
