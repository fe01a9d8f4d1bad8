namespace Capstan.Smb.Pipes;

/// <summary>The server service ([MS-SRVS]): who is connected to a server and what it shares. One call at a time: not thread-safe.</summary>
/// <remarks>Holds a pipe of <c>IPC$</c> open until it is disposed, which counts as an open file of its session.</remarks>
public sealed partial class ServerService : IAsyncDisposable
{
    /// <summary>What an account needs to see, or to close, the sessions of others: for the message to whoever lacks it.</summary>
    public const string SessionRight =
        "seeing or closing the sessions of others needs membership of the server's Administrators (or Server Operators); on Samba, of BUILTIN\\Administrators, and for closing also `admin users`";

    /// <summary>One portion of a list, as asked; a server may send less, and sends at least one entry.</summary>
    private const uint PreferredBytes = 1 << 20;

    /// <summary>The most entries of a list that are believed.</summary>
    private const int MaxEntries = 100_000;

    /// <summary>From the richest to the poorest.</summary>
    private static readonly SessionLevel[] Levels = [SessionLevel.Everything, SessionLevel.Opens, SessionLevel.Times, SessionLevel.Clients];

    private readonly RpcClient _rpc;
    private readonly string _server;

    private ServerService(RpcClient rpc, string host) => (_rpc, _server) = (rpc, $@"\\{host}");

    /// <summary>Binds to the service behind the open pipe <c>srvsvc</c>, and owns it from now on.</summary>
    internal static async ValueTask<ServerService> BindAsync(IPipe pipe, string host, CancellationToken cancellationToken) =>
        new(await RpcClient.BindAsync(pipe, SrvsMessages.Interface, $"srvsvc of {host}", cancellationToken), host);

    /// <summary>The shares that the server shows to this account, hidden ones included, in the server's order.</summary>
    /// <exception cref="SmbException">The link failed, or <see cref="SmbRpcException"/>: the server refused.</exception>
    public async ValueTask<IReadOnlyList<SmbShare>> ListSharesAsync(CancellationToken cancellationToken)
    {
        var what = $"list the shares of {_server}";
        return await AllAsync(what, hint: null, async resume =>
            SrvsMessages.ShareEnumAnswer(await _rpc.CallAsync(SrvsMessages.ShareEnum, SrvsMessages.ShareEnumRequest(_server, resume, PreferredBytes), what, cancellationToken)));
    }

    /// <summary>The sessions that the server holds, this one included, as richly as the server tells them to this account.</summary>
    /// <remarks>Windows tells levels 502 and 1 to administrators and server operators, 10 and 0 as it is set up; Samba 1 and 0 to administrators alone ([MS-SRVS] 3.1.4.5).</remarks>
    /// <exception cref="SmbException">The link failed, or <see cref="SmbRpcException"/>: the server refused every level; the message names the right.</exception>
    public async ValueTask<IReadOnlyList<SmbServerSession>> ListSessionsAsync(CancellationToken cancellationToken)
    {
        SmbRpcException? refusal = null;
        foreach (var level in Levels)
        {
            try
            {
                return await SessionsAsync(level, cancellationToken);
            }
            catch (SmbRpcException e) when (e.Error is { } error && (error == Win32Error.InvalidLevel || error == Win32Error.NotSupported || error == Win32Error.AccessDenied))
            {
                // What is denied says more than what is not known.
                refusal = refusal is null || error == Win32Error.AccessDenied ? e : refusal;
            }
        }
        throw refusal!;
    }

    private ValueTask<IReadOnlyList<SmbServerSession>> SessionsAsync(SessionLevel level, CancellationToken cancellationToken)
    {
        var what = $"list the sessions of {_server}";
        return AllAsync(what, SessionRight, async resume =>
            SrvsMessages.SessionEnumAnswer(await _rpc.CallAsync(SrvsMessages.SessionEnum, SrvsMessages.SessionEnumRequest(_server, level, resume, PreferredBytes), what, cancellationToken), level));
    }

    /// <summary>Ends sessions of others at the server: their clients lose them, with what they had open.</summary>
    /// <param name="client">As <see cref="SmbServerSession.Client"/>; null for all clients of <paramref name="user"/>.</param>
    /// <param name="user">Null for all users of <paramref name="client"/>.</param>
    /// <remarks>Samba ends the whole connection that a session is on, and answers "access denied" when there is no such session, too.</remarks>
    /// <exception cref="SmbException">The link failed, or <see cref="SmbRpcException"/>: the server refused, or has no such session.</exception>
    public async ValueTask CloseSessionAsync(string? client, string? user, CancellationToken cancellationToken)
    {
        if (client is null && user is null)
            throw new ArgumentException("A client or a user must be named.", nameof(client));
        var what = $"close the session of {user ?? "all users"} from {client ?? "all clients"} at {_server}";
        var name = client is null ? null : $@"\\{client.TrimStart('\\')}";
        Check(SrvsMessages.SessionDelAnswer(await _rpc.CallAsync(SrvsMessages.SessionDel, SrvsMessages.SessionDelRequest(_server, name, user), what, cancellationToken)), what, SessionRight);
    }

    /// <summary>What the server says of itself.</summary>
    /// <exception cref="SmbException">The link failed, or <see cref="SmbRpcException"/>: the server refused.</exception>
    public async ValueTask<SmbServerInfo> GetInfoAsync(CancellationToken cancellationToken)
    {
        var what = $"ask {_server} for its information";
        var (info, error) = SrvsMessages.ServerGetInfoAnswer(await _rpc.CallAsync(SrvsMessages.ServerGetInfo, SrvsMessages.ServerGetInfoRequest(_server), what, cancellationToken));
        Check(error, what, hint: null);
        return info!;
    }

    private static async ValueTask<IReadOnlyList<T>> AllAsync<T>(string what, string? hint, Func<uint, ValueTask<SrvsPage<T>>> pageAsync)
    {
        var all = new List<T>();
        for (uint resume = 0; ;)
        {
            var page = await pageAsync(resume);
            all.AddRange(page.Items);
            if (all.Count > MaxEntries)
                throw new SmbProtocolException($"{what}: more than {MaxEntries} entries");
            if (page.Error != Win32Error.MoreData)
            {
                Check(page.Error, what, hint);
                return all;
            }
            if (page.Items.Count == 0 || page.Resume == resume)
                throw new SmbProtocolException($"{what}: the server has more and does not go on");
            resume = page.Resume;
        }
    }

    private static void Check(Win32Error error, string what, string? hint)
    {
        if (error != Win32Error.Success)
            throw SmbRpcException.Of(error, what, error == Win32Error.AccessDenied ? hint : null);
    }
}
