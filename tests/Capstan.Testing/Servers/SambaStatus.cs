using System.Text.Json;

namespace Capstan.Testing.Servers;

/// <summary>What <c>smbstatus --json</c> says.</summary>
/// <param name="Text">As it came.</param>
internal sealed record SambaStatus(IReadOnlyList<SambaSession> Sessions, IReadOnlyList<SambaTree> Trees, IReadOnlyList<string> OpenFiles, string Text)
{
    /// <summary>Nothing leaked.</summary>
    public bool IsEmpty => Sessions.Count == 0 && Trees.Count == 0 && OpenFiles.Count == 0;

    public static SambaStatus Parse(string text)
    {
        // Messages of the libraries may come before the document.
        using var document = JsonDocument.Parse(text[text.IndexOf('{', StringComparison.Ordinal)..]);
        var root = document.RootElement;
        return new(
            [.. root.GetProperty("sessions").EnumerateObject().Select(property => SessionOf(property.Value))],
            [.. root.GetProperty("tcons").EnumerateObject().Select(property => new SambaTree(Field(property.Value, "service"), Field(property.Value, "session_id")))],
            [.. root.GetProperty("open_files").EnumerateObject().SelectMany(property => property.Value.GetProperty("opens").EnumerateObject().Select(_ => Field(property.Value, "filename")))],
            text);
    }

    private static SambaSession SessionOf(JsonElement session) => new(
        Field(session, "session_id"), Field(session, "username"), Field(session, "session_dialect"),
        Field(session.GetProperty("encryption"), "cipher"), Field(session.GetProperty("encryption"), "degree"),
        Field(session.GetProperty("signing"), "cipher"), int.Parse(Field(session.GetProperty("server_id"), "pid")));

    private static string Field(JsonElement element, string name) => element.GetProperty(name).GetString()!;
}

/// <summary>A session that the server holds. Ciphers as Samba writes them (<c>AES-128-GMAC</c>); <c>-</c> for none. The degree is <c>none</c>, <c>partial</c> or <c>full</c>.</summary>
/// <param name="Pid">The server's process for this client.</param>
internal sealed record SambaSession(string Id, string User, string Dialect, string Cipher, string EncryptionDegree, string Signing, int Pid);

/// <summary>A connection to a share that the server holds.</summary>
internal sealed record SambaTree(string Share, string SessionId);
