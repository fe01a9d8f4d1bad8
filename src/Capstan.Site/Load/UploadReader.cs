using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Site.Load;

/// <summary>Reads, opens and verifies files of an inbox: all that needs no ledger. Thread-safe; runs on every core.</summary>
internal sealed class UploadReader(SiteContext site, DeviceStore devices) : IDisposable
{
    /// <summary>Keys of the devices that were heard since the start, by key id. A key never changes: it is the device.</summary>
    private readonly ConcurrentDictionary<string, VerifyingKey> _keys = new(StringComparer.Ordinal);

    public async Task<Candidate> ReadAsync(IStore store, InboxFile file, CancellationToken cancellationToken)
    {
        if (file.LengthBytes > UploadCodec.MaxSealedBytes)
            return new Candidate.Refused(file, null, "too_large", $"{file.LengthBytes} bytes; the limit is {UploadCodec.MaxSealedBytes}. Deleted without a copy");
        byte[]? content;
        try
        {
            content = await store.ReadAllAsync(file.Path, UploadCodec.MaxSealedBytes, cancellationToken);
        }
        catch (NalException cause) when (cause.Error is not (NalError.Connect or NalError.ServerFull or NalError.Authenticate))
        {
            // One file that cannot be read (rights, a bad sector) is that file's matter.
            return new Candidate.Unreadable(file, $"cannot be read: {cause.Message}");
        }
        if (content is null)
            return new Candidate.Gone(file);
        if (file.FileName.StartsWith(CapChecker.Prefix, StringComparison.Ordinal))
            return new Candidate.NotYet(file, content, "a file of `capstan cap check` that it could not delete");
        if (file.Name is not { } name)
            return new Candidate.Refused(file, content, "not_an_upload", "the name is not one of an upload");
        // Compact serialization is text: a NUL at the end is room that was reserved and not filled yet.
        if (content.Length < name.LengthBytes || content is [.., 0])
            return new Candidate.NotYet(file, content, $"{content.Length} bytes of {name.LengthBytes}");
        return await OpenAsync(file, content, cancellationToken);
    }

    /// <summary>Verifies a record whose signer was not known when it was read.</summary>
    /// <exception cref="ProtocolException"/>
    public Candidate.Verified Verify(Candidate.UnknownSigner unknown, string signingKey) =>
        Verified(unknown.File, unknown.Content, unknown.Record, UploadCodec.Verify(unknown.Record, ParseKey(signingKey), site.Site.SiteCode, unknown.Recipient));

    public void Dispose()
    {
        foreach (var key in _keys.Values)
            key.Dispose();
    }

    private async Task<Candidate> OpenAsync(InboxFile file, byte[] content, CancellationToken cancellationToken)
    {
        try
        {
            // A key that was replaced opens what was sealed to it for a while; what was sealed to no key of ours is refused by the present one.
            var recipient = Jwe.PeekKeyId(Encoding.ASCII.GetString(content));
            var opener = site.Keys.SealingFor(recipient, site.Time.GetUtcNow());
            if (opener is null)
                recipient = site.Keys.SealingKey.Thumbprint();
            var record = UploadCodec.Open(content, opener ?? site.Keys.Sealing, recipient);
            var key = await KeyAsync(Jws.PeekKeyId(record), cancellationToken);
            if (key is null && Jws.PeekEmbeddedKey(record) is null)
                return new Candidate.UnknownSigner(file, content, record, recipient);
            return Verified(file, content, record, key is null
                ? UploadCodec.Verify(record, null, site.Site.SiteCode, recipient)
                : UploadCodec.VerifyKnown(record, key, site.Site.SiteCode, recipient));
        }
        catch (ProtocolException cause)
        {
            return new Candidate.Refused(file, content, Reason(cause.Error), cause.Message);
        }
    }

    private static Candidate.Verified Verified(InboxFile file, byte[]? content, string record, Upload upload) =>
        new(file, content, upload, UploadDocuments.Of(upload), UploadCodec.RecordHash(record));

    private async Task<VerifyingKey?> KeyAsync(string keyId, CancellationToken cancellationToken)
    {
        if (_keys.TryGetValue(keyId, out var known))
            return known;
        if (await devices.ByKeyAsync(keyId, cancellationToken) is not { } device)
            return null;
        var key = new VerifyingKey(ParseKey(device.SigningKey));
        if (_keys.TryAdd(keyId, key))
            return key;
        key.Dispose();
        return _keys[keyId];
    }

    private static Jwk ParseKey(string json) => JsonSerializer.Deserialize(json, StoreJson.Default.Jwk)!;

    /// <summary>The stable reason for a refusal, for example <c>cannot_open</c>.</summary>
    public static string Reason(ProtocolError error) => JsonNamingPolicy.SnakeCaseLower.ConvertName(error.ToString());
}
