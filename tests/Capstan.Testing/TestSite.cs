using System.Security.Cryptography;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;

namespace Capstan.Testing;

/// <summary>The site's side of a CAP without a site: publishes real metadata, opens real uploads, writes real receipts. Not thread-safe.</summary>
public sealed class TestSite : IDisposable
{
    private static readonly string[] Roles = ["root", "targets", "snapshot", "timestamp", "site", "packages", "client", "policy"];

    private readonly TimeProvider _time;
    private readonly TufKeys _keys;
    private readonly TufRepository _repository;
    private readonly Dictionary<string, ReadOnlyMemory<byte>> _targets = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DeviceLedger> _ledger = new(StringComparer.Ordinal);
    private ECDiffieHellman _sealing = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
    private ECDsa _receipts = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly List<Upload> _applied = [];
    private readonly List<string> _refused = [];
    private long _revision;

    /// <param name="binBits">16 bins of policies: signing a real site's 256 takes longer than most tests. 8 where sizes count.</param>
    public TestSite(IStore cap, TimeProvider time, string siteCode = "ABC", TufLifetimes? lifetimes = null, int binBits = 4)
    {
        Cap = cap;
        _time = time;
        SiteCode = siteCode;
        _keys = new TufKeys(Roles.ToDictionary(role => role, _ => ECDsa.Create(ECCurve.NamedCurves.nistP256), StringComparer.Ordinal));
        _repository = TufRepository.Create(_keys, time.GetUtcNow(), binBits, lifetimes);
        Description = new SiteDescription { SiteCode = siteCode, Epoch = 1, SealingKey = Jwk.From(_sealing), ReceiptsKey = Jwk.From(_receipts) };
    }

    /// <summary>The storage as the site sees it: without the faults that a client meets.</summary>
    public IStore Cap { get; }

    public string SiteCode { get; }

    public SiteDescription Description { get; private set; }

    /// <summary>What the site has applied, in order.</summary>
    public IReadOnlyList<Upload> Applied => _applied;

    /// <summary>Why files of the inbox were not applied, duplicates excepted.</summary>
    public IReadOnlyList<string> Refused => _refused;

    /// <summary>Records that arrived again.</summary>
    public int Duplicates { get; private set; }

    public string Token(string cap, string? secret = null, IReadOnlyList<AccountSecret>? accounts = null) => new EnrolmentToken
    {
        SiteCode = SiteCode,
        RootHash = _repository.RootHash,
        RootVersion = _repository.RootVersion,
        Caps = [cap],
        Accounts = accounts,
        TokenId = "t1",
        Secret = secret ?? Convert.ToBase64String(new byte[32]).TrimEnd('=').Replace('+', '-').Replace('/', '_'),
    }.Encode();

    /// <summary>Site description and CAP list as targets; visible with the next <see cref="PublishAsync"/>.</summary>
    public void Describe(params IReadOnlyList<CapEntry> caps)
    {
        Set(Layout.SiteDescriptionTarget, Documents.SiteDescription.Encode(Description));
        Set(Layout.CapListTarget, Documents.CapList.Encode(new CapList { SiteCode = SiteCode, Caps = caps }));
    }

    /// <summary>Changes the description, for example its epoch or an interval.</summary>
    public void Change(Func<SiteDescription, SiteDescription> change)
    {
        Description = change(Description);
        Set(Layout.SiteDescriptionTarget, Documents.SiteDescription.Encode(Description));
    }

    /// <summary>A new epoch with a new sealing key, as after a restore: visible with the next <see cref="PublishAsync"/>, then <see cref="WriteReceiptsAsync"/>.</summary>
    public void Restore()
    {
        _sealing.Dispose();
        _sealing = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        Change(site => site with { Epoch = site.Epoch + 1, SealingKey = Jwk.From(_sealing) });
    }

    /// <summary>What a backup holds of a device: how far its chain was.</summary>
    public (long Sequence, string Hash) Head(string device) => (_ledger[device].Sequence, _ledger[device].Hash);

    /// <summary>Goes back to what a backup held of a device; null when it did not know it.</summary>
    public void GoBack(string device, (long Sequence, string Hash)? head)
    {
        if (head is not var (sequence, hash))
        {
            _ledger.Remove(device);
            return;
        }
        var ledger = _ledger[device];
        foreach (var later in ledger.Hashes.Keys.Where(key => key > sequence).ToList())
            ledger.Hashes.Remove(later);
        (ledger.Sequence, ledger.Hash) = (sequence, hash);
    }

    public void SetPolicy(ConfigurationRequest request, string state = "approved", long ordinal = 0, Func<Policy, Policy>? change = null)
    {
        using var key = request.SigningKey.ToSigningKey();
        var device = DeviceId.FromPublicKey(key.ExportSubjectPublicKeyInfo());
        var now = _time.GetUtcNow().ToUnixTimeSeconds();
        var policy = new Policy
        {
            SiteCode = SiteCode,
            DeviceId = device.Value,
            State = state,
            Certificate = new DeviceCertificate
            {
                DeviceId = device.Value,
                SigningKey = request.SigningKey,
                SealingKey = request.SealingKey,
                Ordinal = ordinal,
                IssuedAt = now,
                ExpiresAt = now + 86_400 * 365,
            },
        };
        Set(Layout.PolicyTarget(device), Documents.Policy.Encode(change?.Invoke(policy) ?? policy));
    }

    public void Set(string target, byte[] content)
    {
        _targets[target] = content;
        _repository.SetTarget(target, content);
    }

    public void Remove(string target)
    {
        _targets.Remove(target);
        _repository.RemoveTarget(target);
    }

    /// <summary>Writes targets, then metadata, then the pointer.</summary>
    public async Task PublishAsync(CancellationToken cancellationToken, bool force = false)
    {
        var files = _repository.Publish(_keys, _time.GetUtcNow(), 0, force);
        foreach (var (target, content) in _targets)
            await CreateAsync(TargetFile(target, content), content, cancellationToken);
        foreach (var file in files)
        {
            if (file.IsPointer)
                await Cap.ReplaceAsync(StorePath.Parse(file.Path), file.Content, cancellationToken);
            else
                await CreateAsync(file.Path, file.Content, cancellationToken);
        }
    }

    /// <summary>Opens what lies in the inbox, applies each record once and in order, deletes the files, and writes receipts.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        var found = new List<(StorePath File, Upload Upload, string Hash)>();
        foreach (var bin in Layout.Bins)
        {
            await foreach (var entry in Cap.ListAsync(StorePath.Parse(Layout.InboxDirectory(bin)), cancellationToken))
            {
                // A file that is shorter than its name says is still being written.
                if (await Cap.ReadAllAsync(entry.Path, UploadCodec.MaxSealedBytes, cancellationToken) is not { } file || file.Length < LengthIn(entry.Path.Name))
                    continue;
                try
                {
                    var record = UploadCodec.Open(file, _sealing);
                    var known = _ledger.Values.FirstOrDefault(device => entry.Path.Name.StartsWith(device.Id, StringComparison.Ordinal));
                    found.Add((entry.Path, UploadCodec.Verify(record, known?.Key, SiteCode, Description.SealingKey.Thumbprint()), UploadCodec.RecordHash(record)));
                }
                catch (ProtocolException e)
                {
                    _refused.Add(e.Message);
                    await Cap.DeleteAsync(entry.Path, cancellationToken);
                }
            }
        }
        foreach (var (file, upload, hash) in found.OrderBy(item => item.Upload.Sequence))
        {
            Apply(upload, hash);
            await Cap.DeleteAsync(file, cancellationToken);
        }
        await WriteReceiptsAsync(cancellationToken);
    }

    /// <summary>Asks a device for kinds in full with the next receipts.</summary>
    public void Resync(string device, params IReadOnlyList<string> kinds) => _ledger[device].Resync = kinds;

    public async Task WriteReceiptsAsync(CancellationToken cancellationToken)
    {
        // As a restored site does: a client that is not listed must see that it is not.
        var devices = _ledger.Values.ToLookup(device => Parse(device.Id).Bin, StringComparer.Ordinal);
        foreach (var bin in Layout.Bins.Where(bin => Description.Epoch > 1 || devices.Contains(bin)))
        {
            var receipts = new Receipts
            {
                SiteCode = SiteCode,
                Epoch = Description.Epoch,
                Revision = ++_revision,
                Bin = bin,
                Devices = [.. devices[bin].Select(device => new Receipt(device.Id, device.Sequence, device.Hash, device.Resync))],
            };
            await Cap.ReplaceAsync(StorePath.Parse(Layout.ReceiptsFile(bin)), ReceiptsCodec.Sign(receipts, _receipts), cancellationToken);
        }
    }

    /// <summary>The items of one kind that were applied, decoded, in order.</summary>
    public IReadOnlyList<T> Items<T>(DocumentKind<T> kind) where T : class =>
        [.. Applied.SelectMany(upload => upload.Items).Where(item => item.Kind == kind.Name).Select(kind.Decode)];

    public void Dispose()
    {
        foreach (var key in _keys.ByRole.Values)
            key.Dispose();
        _sealing.Dispose();
        _receipts.Dispose();
    }

    private void Apply(Upload upload, string hash)
    {
        if (upload.Epoch != Description.Epoch)
        {
            _refused.Add($"wrong epoch {upload.Epoch}");
            return;
        }
        if (!_ledger.TryGetValue(upload.DeviceId, out var device))
        {
            var request = Documents.ConfigurationRequest.Decode(upload.Items.Single(item => item.Kind == ItemKind.ConfigurationRequest));
            // Whatever its sequence: the chain goes on from the request.
            _ledger[upload.DeviceId] = device = new DeviceLedger(upload.DeviceId, request.SigningKey) { Sequence = upload.Sequence - 1, Hash = upload.Previous };
        }
        if (device.Hashes.TryGetValue(upload.Sequence, out var before))
        {
            if (before == hash)
                Duplicates++;
            else
                _refused.Add($"fork at {upload.Sequence}");
            return;
        }
        if (upload.Sequence != device.Sequence + 1 || upload.Previous != device.Hash)
        {
            _refused.Add($"gap: {upload.Sequence} after {device.Sequence}");
            return;
        }
        device.Hashes[upload.Sequence] = hash;
        device.Sequence = upload.Sequence;
        device.Hash = hash;
        _applied.Add(upload);
    }

    private async Task CreateAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        using var stream = new MemoryStream(content.ToArray(), writable: false);
        await Cap.CreateAsync(StorePath.Parse(path), stream, cancellationToken);
    }

    private static string TargetFile(string target, ReadOnlyMemory<byte> content)
    {
        var cut = target.LastIndexOf('/');
        return $"{Layout.Targets}/{target[..(cut + 1)]}{Convert.ToHexStringLower(SHA256.HashData(content.Span))}.{target[(cut + 1)..]}";
    }

    /// <summary>The length that an upload's name tells; 0 where it tells none.</summary>
    private static long LengthIn(string name) => name.Split('-') is [_, _, var length, _] && long.TryParse(length, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var bytes) ? bytes : 0;

    private static DeviceId Parse(string id) => DeviceId.TryParse(id, out var device) ? device : throw new ArgumentException("not a device id", nameof(id));

    private sealed class DeviceLedger(string id, Jwk key)
    {
        public string Id { get; } = id;
        public Jwk Key { get; } = key;
        public long Sequence { get; set; }
        public string Hash { get; set; } = Upload.NoPrevious;
        public Dictionary<long, string> Hashes { get; } = [];
        public IReadOnlyList<string> Resync { get; set; } = [];
    }
}
