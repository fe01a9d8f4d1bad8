using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Capstan.Protocol.Tuf;

public sealed partial class TufRepository
{
    private const string StateFormat = "capstan-tuf-state";
    private const int StateVersion = 1;

    /// <summary>The document to store: durable before the files are written. Targets set or removed since the last <see cref="Publish"/> are not in it.</summary>
    /// <remarks>It holds the signed metadata as published; target lists, versions and hashes are read back from there, so nothing is said twice.</remarks>
    public byte[] Save()
    {
        var buffer = new ArrayBufferWriter<byte>(_roles.Values.Sum(role => role.Metadata?.File.Bytes.Length ?? 0) + 4096);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("format", StateFormat);
            writer.WriteNumber("version", StateVersion);
            writer.WriteNumber("binBits", _binBits);
            writer.WriteStartObject("lifetimeSeconds");
            writer.WriteNumber("root", (long)_lifetimes.Root.TotalSeconds);
            writer.WriteNumber("targets", (long)_lifetimes.Targets.TotalSeconds);
            writer.WriteNumber("snapshot", (long)_lifetimes.Snapshot.TotalSeconds);
            writer.WriteNumber("timestamp", (long)_lifetimes.Timestamp.TotalSeconds);
            writer.WriteNumber("timestampRefresh", (long)_lifetimes.TimestampRefresh.TotalSeconds);
            writer.WriteEndObject();
            writer.WriteNumber("publishedRoots", _publishedRoots);
            writer.WriteStartArray("roots");
            foreach (var root in _roots)
                writer.WriteRawValue(root, skipInputValidation: true);
            writer.WriteEndArray();
            writer.WriteStartObject("roles");
            foreach (var role in _roles.Values.Where(role => role.Metadata is not null))
            {
                writer.WritePropertyName(role.Name);
                writer.WriteRawValue(role.Metadata!.File.Bytes.Span, skipInputValidation: true);
            }
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    /// <exception cref="ProtocolException">The state is not one of ours.</exception>
    public static TufRepository Load(ReadOnlySpan<byte> state)
    {
        const string Document = "repository state";
        using var parsed = CanonicalJson.Parse(state.ToArray(), Document);
        var json = new MetadataElement(parsed.RootElement, Document);
        if (!string.Equals(json["format"].Text(), StateFormat, StringComparison.Ordinal))
            throw json.Malformed("is of another format");
        if (json["version"].Number(1) is var version && version != StateVersion)
            throw new ProtocolException(ProtocolError.UnknownVersion, $"The repository state has version {version}; this program knows {StateVersion}.", Document);

        var seconds = json["lifetimeSeconds"];
        var lifetimes = new TufLifetimes
        {
            Root = Lifetime("root"),
            Targets = Lifetime("targets"),
            Snapshot = Lifetime("snapshot"),
            Timestamp = Lifetime("timestamp"),
            TimestampRefresh = Lifetime("timestampRefresh"),
        };
        var roots = json["roots"].Items().Select(Raw).ToList();
        var binBits = json["binBits"].Number(4);
        var publishedRoots = json["publishedRoots"].Number(0);
        if (roots.Count == 0 || publishedRoots > roots.Count || binBits > 12)
            throw json.Malformed("roots and bins do not fit together");

        var repository = new TufRepository(lifetimes, (int)binBits, roots, (int)publishedRoots);
        foreach (var (name, member) in json["roles"].Members())
        {
            if (!repository._roles.TryGetValue(name, out var role))
                throw json.Malformed($"holds role {name}, which this layout has not");
            role.Restore(Read(name, Raw(member)));
        }
        if (repository.CurrentRoot.Version != roots.Count || repository._roles.Values.Select(role => role.Metadata is null).Distinct().Count() != 1)
            throw json.Malformed("lacks a root or a role");
        return repository;

        TimeSpan Lifetime(string name) =>
            seconds[name].Number(1) is var number && number <= (long)TimeSpan.FromDays(36_500).TotalSeconds ? TimeSpan.FromSeconds(number) : throw seconds.Malformed("holds a lifetime of over 100 years");

        static byte[] Raw(MetadataElement element) => JsonMarshal.GetRawUtf8Value(element.Json).ToArray();
    }
}
