using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan nal ls|cat|stat|put|rm|explain|connections|drop</c>: the network abstraction layer as a tool, for any storage.</summary>
internal static class NalVerbs
{
    private const int ChunkBytes = 256 * 1024;
    private const long MaxReplaceBytes = 256L * 1024 * 1024;

    public static Command Create(CliHost host) => new Verb("nal", "Work with any storage through the network abstraction layer", "capstan nal ls /srv/cap", "capstan nal explain 'LOCAL:\\\\srv\\cap\\'")
        .With(List(host), Cat(host), Stat(host), Put(host), Remove(host), NalExplainVerbs.Explain(host), NalJournalVerbs.Connections(host), NalJournalVerbs.Drop(host));

    private static Listing<NalEntry> Entries(CliHost host) => new(
        [
            new("SIZE", entry => entry.IsDirectory ? "dir" : Display.Bytes(entry.LengthBytes), IsNumber: true, NoWrap: true),
            new("CHANGED", entry => Display.Relative(entry.LastWrite, host.Time.GetUtcNow()), NoWrap: true),
            new("NAME", entry => entry.Name),
        ],
        [
            new("name", entry => entry.Name), new("isDirectory", entry => entry.IsDirectory ? "true" : "false"),
            new("lengthBytes", entry => entry.LengthBytes), new("lastWrite", entry => entry.LastWrite),
        ],
        CliJson.Default, "The directory is empty.");

    private static Verb List(CliHost host)
    {
        var path = Arguments.Path(host);
        var access = new NalAccess();
        var output = Arguments.Output();
        return new Verb("ls", "Entries of a directory", "capstan nal ls /srv/cap", "capstan nal ls smb://fs1/cap/ --account capsite --password-file F -o json")
            .With(path, output).With(access.Options)
            .Does(host, (parse, cancellationToken) => access.UseAsync(parse, host, parse.GetRequiredValue(path), async store =>
            {
                var entries = new List<NalEntry>();
                await foreach (var entry in store.ListAsync(StorePath.Root, cancellationToken))
                    entries.Add(NalEntry.Of(entry));
                entries.Sort((left, right) => string.CompareOrdinal(left.Name, right.Name));
                await Entries(host).WriteAsync(host, parse.GetValue(output), entries);
                return ExitCode.Done;
            }, cancellationToken));
    }

    private static Verb Cat(CliHost host)
    {
        var path = Arguments.Path(host);
        var access = new NalAccess();
        return new Verb("cat", "Write a file to standard output", "capstan nal cat /srv/cap/README.txt")
            .With(path).With(access.Options)
            .Does(host, (parse, cancellationToken) => access.UseEntryAsync(parse, host, parse.GetRequiredValue(path), async (store, name) =>
            {
                var entry = await store.StatAsync(name, cancellationToken) ?? throw Missing(parse.GetRequiredValue(path));
                if (entry.IsDirectory)
                    throw new CliException($"{parse.GetRequiredValue(path)} is a directory: capstan nal ls lists it.");
                await host.Out.FlushAsync(cancellationToken);
                var output = host.OpenOutput();
                await using (output)
                {
                    var buffer = new byte[ChunkBytes];
                    long offset = 0;
                    for (int read; (read = await store.ReadAsync(name, offset, buffer, cancellationToken)) > 0; offset += read)
                        await output.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                }
                return ExitCode.Done;
            }, cancellationToken));
    }

    private static Verb Stat(CliHost host)
    {
        var path = Arguments.Path(host);
        var access = new NalAccess();
        var output = Arguments.Output();
        return new Verb("stat", "Facts about one entry", "capstan nal stat /srv/cap/metadata/timestamp.json")
            .With(path, output).With(access.Options)
            .Does(host, (parse, cancellationToken) => access.UseEntryAsync(parse, host, parse.GetRequiredValue(path), async (store, name) =>
            {
                var entry = NalEntry.Of(await store.StatAsync(name, cancellationToken) ?? throw Missing(parse.GetRequiredValue(path)));
                await Entries(host).WriteAsync(host, parse.GetValue(output), [entry], entry);
                return ExitCode.Done;
            }, cancellationToken));
    }

    private static Verb Put(CliHost host)
    {
        var file = new Argument<string>("FILE") { Description = "A file of this machine, or - for standard input" };
        var path = Arguments.Path(host);
        var replace = new Option<bool>("--replace") { Description = "Replace the entry when it is there (at most 256 MiB)" };
        var access = new NalAccess();
        return new Verb("put", "Create a file; refused when the name is taken", "capstan nal put notes.txt /srv/cap/notes.txt", "echo hello | capstan nal put - /srv/cap/hello.txt")
            .With(file, path, replace).With(access.Options)
            .Does(host, (parse, cancellationToken) => access.UseEntryAsync(parse, host, parse.GetRequiredValue(path), async (store, name) =>
            {
                var source = parse.GetRequiredValue(file);
                await using var content = source is "-" ? host.OpenInput() : File.OpenRead(host.FullPath(source));
                if (parse.GetValue(replace))
                    await store.ReplaceAsync(name, await ReadAllAsync(content, cancellationToken), cancellationToken);
                else if (!await store.CreateAsync(name, content, cancellationToken))
                    throw new CliException($"{parse.GetRequiredValue(path)} is there already, and nothing was changed. Replace it with --replace.");
                return ExitCode.Done;
            }, cancellationToken));
    }

    private static Verb Remove(CliHost host)
    {
        var path = Arguments.Path(host);
        var access = new NalAccess();
        return new Verb("rm", "Delete a file or an empty directory", "capstan nal rm /srv/cap/notes.txt")
            .With(path).With(access.Options)
            .Does(host, (parse, cancellationToken) => access.UseEntryAsync(parse, host, parse.GetRequiredValue(path), async (store, name) =>
                name.IsRoot ? throw new CliException($"{parse.GetRequiredValue(path)} is the root of a storage, which stays.", ExitCode.Usage)
                : await store.DeleteAsync(name, cancellationToken) ? ExitCode.Done
                : throw Missing(parse.GetRequiredValue(path)), cancellationToken));
    }

    private static async Task<byte[]> ReadAllAsync(Stream content, CancellationToken cancellationToken)
    {
        using var copy = new MemoryStream();
        var buffer = new byte[ChunkBytes];
        for (int read; (read = await content.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            if (copy.Length + read > MaxReplaceBytes)
                throw new CliException("--replace takes at most 256 MiB. Put the file under a new name.");
            copy.Write(buffer, 0, read);
        }
        return copy.ToArray();
    }

    private static CliException Missing(NalPath path) => new($"nothing is at {path}.", ExitCode.NotFound);
}
