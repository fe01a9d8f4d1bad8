using Capstan.Site.Api;

namespace Capstan.Site.Distribution.Content;

/// <summary>Uploads of packages under way, and what became of the last ones. A refusal in the middle of a body breaks the connection that it is answered on: whoever sends asks here for its cause. Thread-safe.</summary>
internal sealed class PackageUploads(TimeProvider time)
{
    /// <summary>Header of a request that brings an archive: a name of the sender's choice, under which the upload is found.</summary>
    public const string Header = "Capstan-Upload";

    /// <summary>Longest such name; letters, digits and hyphens.</summary>
    private const int MaxId = 64;

    /// <summary>Most uploads that are remembered; of more, the oldest that has ended goes.</summary>
    private const int MostRemembered = 100;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, PackageUploadWatch> _byId = new(StringComparer.Ordinal);
    private readonly List<string> _order = [];

    /// <param name="id">Null for an upload that nobody asks for.</param>
    /// <exception cref="SiteException"><c>bad_package</c>: not a name, or one that is in use.</exception>
    public PackageUploadWatch Begin(string? id)
    {
        var upload = new PackageUploadWatch(time);
        if (id is null)
            return upload;
        if (id.Length is 0 or > MaxId || !id.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '-'))
            throw new SiteException($"The header {Header} takes 1 to {MaxId} letters, digits and hyphens.", "bad_package");
        lock (_gate)
        {
            if (!_byId.TryAdd(id, upload))
                throw new SiteException($"There is an upload {id} already: {Header} takes a new name for each.", "bad_package");
            _order.Add(id);
            // One under way is not forgotten: its sender may have to ask for its end.
            if (_order.Count > MostRemembered && _order.FindIndex(before => _byId[before].IsEnded) is >= 0 and var oldest)
            {
                _byId.Remove(_order[oldest]);
                _order.RemoveAt(oldest);
            }
        }
        return upload;
    }

    /// <summary>How an upload is; null for one that is not known, or not any more.</summary>
    public PackageUpload? Find(string id)
    {
        lock (_gate)
            return _byId.GetValueOrDefault(id)?.State;
    }
}

/// <summary>One upload: what it does now, how much of it has arrived, what came of it. Thread-safe.</summary>
internal sealed class PackageUploadWatch(TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly DateTimeOffset _startedAt = time.GetUtcNow();
    private Func<string?>? _waitingFor;
    private long _receivedBytes;
    private PackageVersionRow? _result;
    private Problem? _problem;

    public PackageUpload State
    {
        get
        {
            lock (_gate)
            {
                var state = _problem is not null ? PackageUpload.Refused : _result is not null ? PackageUpload.Published : _waitingFor is not null ? PackageUpload.Waiting : PackageUpload.Receiving;
                return new PackageUpload(state, _startedAt, Interlocked.Read(ref _receivedBytes), state == PackageUpload.Waiting ? _waitingFor!() : null, _result, _problem);
            }
        }
    }

    /// <summary>Published or refused.</summary>
    public bool IsEnded
    {
        get
        {
            lock (_gate)
                return _problem is not null || _result is not null;
        }
    }

    /// <summary>It is not its turn yet.</summary>
    /// <param name="holder">Whose turn it is; asked whenever somebody looks.</param>
    public void Waits(Func<string?> holder)
    {
        lock (_gate)
            _waitingFor = holder;
    }

    public void Begins()
    {
        lock (_gate)
            _waitingFor = null;
    }

    public void Received(int bytes) => Interlocked.Add(ref _receivedBytes, bytes);

    public void Ends(PackageVersionRow result)
    {
        lock (_gate)
            _result = result;
    }

    public void Ends(Problem problem)
    {
        lock (_gate)
            _problem = problem;
    }
}
