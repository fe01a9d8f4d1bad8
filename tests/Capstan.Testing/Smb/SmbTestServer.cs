using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Capstan.Smb;

namespace Capstan.Testing.Smb;

/// <summary>A request as it arrived.</summary>
/// <param name="Link">Number of the connection, from 1.</param>
public sealed record SmbSeen(int Link, SmbCommand Command, ulong MessageId, bool IsRelated, bool IsSigned, bool IsEncrypted);

/// <summary>What the server holds at a moment.</summary>
public sealed record SmbHoldings(int Links, int Sessions, int Trees, int Opens)
{
    public static readonly SmbHoldings Nothing = new(0, 0, 0, 0);
}

/// <summary>A small SMB 2 server in this process: real logons, signatures, encryption and credits, files in memory, licences with exact status codes,
/// and misbehaviour by order. It is for what a real server cannot be made to do; it is no model of one.</summary>
/// <remarks>It judges its clients: <see cref="Complaints"/> holds what a strict server would end the link for.</remarks>
public sealed class SmbTestServer : IAsyncDisposable
{
    private readonly List<SmbServerLink> _links = [];
    private readonly Dictionary<ulong, ServerSession> _sessions = [];
    private readonly List<SmbTrick> _tricks = [];
    private readonly List<SmbHold> _holds = [];
    private readonly List<SmbSeen> _seen = [];
    private readonly List<string> _complaints = [];
    private readonly List<Task> _running = [];
    private readonly Dictionary<SmbCommand, int> _performed = [];
    private readonly List<(SmbCommand Command, int Times, TaskCompletionSource Waiting)> _expecting = [];
    private readonly CancellationTokenSource _stopping = new();
    private TcpListener? _listener;
    private Task? _accepting;
    private ulong _lastSession;
    private ulong _lastOpen;
    private int _lastLink;

    /// <summary>With a share <c>data</c> for reading and writing, and an <c>IPC$</c>.</summary>
    public SmbTestServer(SmbServerRules? rules = null)
    {
        Rules = rules ?? new SmbServerRules();
        Rules.Shares.TryAdd("data", new SmbTestShare(new TestFileTree(Rules.Time)));
        Rules.Shares.TryAdd("IPC$", new SmbTestShare(new TestFileTree(Rules.Time)) { Pipes = { ["echo"] = message => message } });
    }

    public SmbServerRules Rules { get; }

    public TestFileTree Files => Rules.Shares["data"].Tree;

    /// <summary>After <see cref="Listen"/>.</summary>
    public int Port { get; private set; }

    /// <summary>Every request, in the order of arrival, by all links.</summary>
    public IReadOnlyList<SmbSeen> Seen
    {
        get
        {
            lock (Gate)
                return [.. _seen];
        }
    }

    /// <summary>What the clients did that the protocol does not allow. Empty, when they are right.</summary>
    public IReadOnlyList<string> Complaints
    {
        get
        {
            lock (Gate)
                return [.. _complaints];
        }
    }

    public SmbHoldings Holdings
    {
        get
        {
            lock (Gate)
            {
                var trees = _sessions.Values.SelectMany(session => session.Trees.Values).ToArray();
                return new SmbHoldings(_links.Count, Counted, trees.Length, trees.Sum(tree => tree.Opens.Count));
            }
        }
    }

    /// <summary>Ids of the sessions that are logged on.</summary>
    public IReadOnlyList<ulong> SessionIds
    {
        get
        {
            lock (Gate)
                return [.. _sessions.Values.Where(session => session.Account is not null).Select(session => session.Id).Order()];
        }
    }

    internal Lock Gate { get; } = new();

    internal CancellationToken Stopping => _stopping.Token;

    private int Counted => _sessions.Values.Count(session => session.Account is not null);

    /// <summary>A connection in memory; the client's end is <see cref="MemoryLink.Client"/>.</summary>
    public MemoryLink Connect()
    {
        var link = new MemoryLink();
        Serve(link.Server);
        return link;
    }

    /// <summary>Listens from now on, on a free port.</summary>
    /// <param name="address">Null for the loopback of IPv4.</param>
    public void Listen(IPAddress? address = null)
    {
        _listener = new TcpListener(address ?? IPAddress.Loopback, 0);
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        lock (Gate)
            _running.Add(_accepting = AcceptAsync(_listener));
    }

    /// <summary>From now on the server misbehaves like this.</summary>
    public void Play(SmbTrick trick)
    {
        lock (Gate)
            _tricks.Add(trick);
    }

    public void Play(SmbCommand command, SmbTrickKind kind, int nth = 1) => Play(new SmbTrick(command, kind, nth));

    /// <summary>The server behaves again.</summary>
    public void PlayNothing()
    {
        lock (Gate)
            _tricks.Clear();
    }

    /// <summary>Keeps the next request of a command.</summary>
    /// <param name="sendsInterim">Whether STATUS_PENDING is answered meanwhile.</param>
    /// <param name="obeysCancel">Whether CANCEL ends it with STATUS_CANCELLED; else it goes on when it is released, as if CANCEL had come too late.</param>
    public SmbHold Hold(SmbCommand command, bool sendsInterim = false, bool obeysCancel = true)
    {
        var hold = new SmbHold(command, sendsInterim, obeysCancel);
        lock (Gate)
            _holds.Add(hold);
        return hold;
    }

    /// <summary>Ends a session as an administrator does (NetrSessionDel): the client is not told.</summary>
    public void EndSession(ulong id)
    {
        lock (Gate)
            Remove(id);
    }

    /// <summary>Waits until no link is served any more: what its end frees is freed then. For when the clients have closed theirs.</summary>
    public async Task QuietAsync()
    {
        Task[] links;
        lock (Gate)
            links = [.. _running.Where(task => task != _accepting)];
        await Task.WhenAll(links);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener?.Stop();
        Task[] running;
        lock (Gate)
        {
            foreach (var link in _links)
                link.Close();
            running = [.. _running];
        }
        await Task.WhenAll(running);
        _stopping.Dispose();
    }

    internal void Serve(Stream stream)
    {
        lock (Gate)
        {
            var link = new SmbServerLink(this, ++_lastLink, stream);
            if (_links.Count >= Rules.Licences.Links)
            {
                link.Close();
                return;
            }
            _links.Add(link);
            _running.RemoveAll(task => task.IsCompleted);
            _running.Add(RunAsync(link));
        }
    }

    /// <summary>Completes when so many requests with this command have been performed since the server began.</summary>
    public Task SeesAsync(SmbCommand command, int times = 1)
    {
        lock (Gate)
        {
            var waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _expecting.Add((command, times, waiting));
            Tell(command);
            return waiting.Task;
        }
    }

    internal void See(SmbSeen seen) => _seen.Add(seen);

    internal void Performed(SmbCommand command)
    {
        _performed[command] = _performed.GetValueOrDefault(command) + 1;
        Tell(command);
    }

    internal void Complain(string complaint)
    {
        lock (Gate)
            _complaints.Add(complaint);
    }

    internal SmbTrick? NextTrick(SmbCommand command)
    {
        // Each counts what it sees, whether or not an earlier one is played.
        var now = _tricks.Where(trick => trick.Command == command && trick.IsNow()).ToArray();
        return now.Length > 0 ? now[0] : null;
    }

    internal SmbHold? NextHold(SmbServerLink link, SmbCommand command, ulong messageId)
    {
        var hold = _holds.Find(candidate => candidate.Command == command && candidate.Link is null);
        if (hold is not null)
            (hold.Link, hold.MessageId, hold.AsyncId) = (link, messageId, 0x1000 + messageId);
        return hold;
    }

    /// <summary>CANCEL names its request by the asynchronous id, when it has one ([MS-SMB2] 3.3.5.16).</summary>
    internal SmbHold? FindHold(SmbServerLink link, ulong messageId, ulong asyncId) =>
        _holds.Find(hold => hold.Link == link && (asyncId != 0 ? hold.AsyncId == asyncId : hold.MessageId == messageId));

    internal IEnumerable<SmbHold> HoldsOf(SmbServerLink link) => _holds.Where(hold => hold.Link == link);

    internal ServerSession NewSession(SmbServerLink link)
    {
        var session = new ServerSession(0x5E55_0000_0000 + ++_lastSession, link, new NtlmAcceptor(Rules));
        _sessions.Add(session.Id, session);
        return session;
    }

    internal bool TryGetSession(ulong id, [NotNullWhen(true)] out ServerSession? session) => _sessions.TryGetValue(id, out session);

    /// <summary>Counts a session that authenticated, and replaces the one it names, in the order that the rules say.</summary>
    internal NtStatus Admit(ServerSession session, string account)
    {
        var licences = Rules.Licences;
        if (licences.CountsBeforeReplacing && Counted >= licences.Sessions)
            return licences.SessionsStatus;
        // Only the same account may replace (3.3.5.5.3).
        if (_sessions.TryGetValue(session.PreviousId, out var previous) && string.Equals(previous.Account, account, StringComparison.OrdinalIgnoreCase))
            Remove(previous.Id);
        if (Counted >= licences.Sessions)
            return licences.SessionsStatus;
        session.Account = account;
        return NtStatus.Success;
    }

    internal void Remove(ulong sessionId)
    {
        if (!_sessions.Remove(sessionId, out var session))
            return;
        foreach (var tree in session.Trees.Values.ToArray())
            Leave(tree);
        // Its keys stay: the answer to LOGOFF is signed with them.
    }

    internal int Uses(SmbTestShare share) => _sessions.Values.SelectMany(session => session.Trees.Values).Count(tree => ReferenceEquals(tree.Share, share));

    internal static void Leave(ServerTree tree)
    {
        foreach (var open in tree.Opens.Values.ToArray())
            SmbServerFiles.Close(open);
        tree.Session.Trees.Remove(tree.Id);
    }

    internal ulong NextOpen() => ++_lastOpen;

    /// <summary>Handles on a node, in any session.</summary>
    internal IEnumerable<ServerOpen> OpensOf(TestNode node) =>
        _sessions.Values.SelectMany(session => session.Trees.Values).SelectMany(tree => tree.Opens.Values).Where(open => ReferenceEquals(open.Node, node));

    private void Tell(SmbCommand command)
    {
        foreach (var (_, _, waiting) in _expecting.Where(expected => expected.Command == command && expected.Times <= _performed.GetValueOrDefault(command)))
            waiting.TrySetResult();
    }

    private async Task AcceptAsync(TcpListener listener)
    {
        while (true)
        {
            try
            {
                var socket = await listener.AcceptSocketAsync(_stopping.Token);
                socket.NoDelay = true;
                Serve(new NetworkStream(socket, ownsSocket: true));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                if (_stopping.IsCancellationRequested)
                    return;
            }
        }
    }

    private async Task RunAsync(SmbServerLink link)
    {
        await Task.Yield();
        await link.RunAsync();
        lock (Gate)
        {
            _links.Remove(link);
            foreach (var session in _sessions.Values.Where(session => session.Link == link).ToArray())
                Remove(session.Id);
        }
    }
}
