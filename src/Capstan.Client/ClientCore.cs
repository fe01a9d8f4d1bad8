using Capstan.Client.Configuration;
using Capstan.Client.Identity;
using Capstan.Client.Programs;
using Capstan.Client.Spool;
using Capstan.Client.State;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace Capstan.Client;

/// <summary>What every room of one opened client shares.</summary>
internal sealed class ClientCore(string directory, DeviceKeys keys, ClientDatabase database, Clock clock, ILogger log) : IDisposable
{
    /// <summary>Name of the loop in status messages and holders.</summary>
    public const string Component = "CCIM";

    private const int MaxTextLength = 2_000;

    /// <summary>Starts that are remembered: the site may still name one of them.</summary>
    private const int MaxStarts = 8;

    private IReadOnlyList<string> _before = new ClientState(database).GetLines(StateKey.Starts);
    private bool _isNoted;

    public string Directory { get; } = directory;
    public DeviceKeys Keys { get; private set; } = keys;
    /// <summary>Names this start of the client in records.</summary>
    public string Instance { get; } = NewIdentity.NewNonce();
    /// <summary>The start before under which this device made records; null for none.</summary>
    public string? PreviousInstance => _before.Count > 0 ? _before[^1] : null;

    /// <summary>All names under which this machine may have spoken: the site may mean it by any.</summary>
    public IEnumerable<string> Names => [State.Get(StateKey.InstallNonce)!, Instance, .. _before];

    public Clock Clock { get; } = clock;
    public ILogger Log { get; } = log;
    public ClientDatabase Database { get; } = database;
    public ClientState State { get; } = new(database);

    /// <summary>CAPs that served badly, as they were left.</summary>
    /// <param name="key">Of <see cref="StateKey"/>: in which respect.</param>
    public AvoidedCaps Avoided(string key) => new(Clock, State.GetLines(key), lines => State.Set((key, lines)));
    public RecordSpool Spool { get; } = new(database);
    public TrustStore Trust { get; } = new(database);

    /// <summary>What this process has verified of the site's metadata: nobody else writes <see cref="Trust"/> while it holds the directory.</summary>
    public TufMemory Verified { get; } = new();
    public CapUseLog CapUse { get; } = new(database);
    public ProgramLedger Programs { get; } = new(database);

    /// <summary>A contact has brought other orders, or made some out of force.</summary>
    public event EventHandler? OrdersChanged;

    /// <summary>Something is in the spool that a contact should be made for, as far as one may be made now.</summary>
    public event EventHandler? ReportsWait;

    public void TellReports() => ReportsWait?.Invoke(this, EventArgs.Empty);

    /// <summary>After the orders of a contact are in the database.</summary>
    public void TellOrders() => OrdersChanged?.Invoke(this, EventArgs.Empty);

    public string SiteCode => State.Get(StateKey.SiteCode)!;

    public ClientLifecycle Lifecycle => State.Get(StateKey.Lifecycle) switch
    {
        "approved" => ClientLifecycle.Approved,
        "retired" => ClientLifecycle.Retired,
        _ => ClientLifecycle.Installed,
    };

    /// <summary>The site as last verified; null before the first contact.</summary>
    public SiteDescription? Site => State.Document(DocumentName.Site, Documents.SiteDescription);

    /// <summary>The policy in force; null before approval.</summary>
    public Policy? Policy => State.Document(DocumentName.Policy, Documents.Policy);

    /// <summary>What the policy sets, or the defaults. Before approval only those.</summary>
    public ClientSettings Settings { get; private set; } = ClientSettings.Default;

    /// <summary>Sets the level of the client's own log file.</summary>
    public Action<LogLevel> SetLogLevel { get; init; } = static _ => { };

    /// <summary>See <see cref="ClientOptions.LongestPoll"/>.</summary>
    public TimeSpan LongestPoll { get; init; } = TimeSpan.MaxValue;

    /// <summary>See <see cref="ClientOptions.Idle"/>.</summary>
    public Action Idle { get; init; } = static () => { };

    /// <summary>Obeys the settings of the policy in force.</summary>
    /// <returns>One line for each that this program left alone.</returns>
    public IReadOnlyList<string> ApplySettings()
    {
        var ignored = new List<string>();
        Settings = ClientSettings.Of(Policy, ignored);
        SetLogLevel(Settings.LogLevel);
        return ignored;
    }

    public CapList? CapList => State.Document(DocumentName.CapList, Documents.CapList);

    /// <summary>How what many devices may have to say at one moment is told: with the next contact, since each has its own time for that; at once in a local folder, where nobody is at the door.</summary>
    public Urgency OfMany => CapExport.AllLocal(this) ? Urgency.AtOnce : Urgency.NextContact;

    /// <summary>Puts a status message into the spool; a repeated one only counts.</summary>
    public void Report(string severity, string code, string text, string component = Component, Urgency urgency = Urgency.AtOnce) => Spool.PutStatus(new StatusMessage
    {
        Severity = severity,
        Code = code,
        Component = component,
        Text = Clip(text),
        ReportedAt = Clock.Wall.ToUnixTimeMilliseconds(),
    }, urgency);

    /// <summary>Text that any document takes: what is beyond 2,000 characters is cut off.</summary>
    public static string Clip(string text) => text.Length <= MaxTextLength ? text : text[..MaxTextLength];

    /// <summary>Remembers this start, durably, before the first record is made under its name.</summary>
    public void NoteStart()
    {
        if (_isNoted)
            return;
        State.Set((StateKey.Starts, string.Join('\n', _before.TakeLast(MaxStarts - 1).Append(Instance))));
        _isNoted = true;
    }

    /// <summary>Goes on as the same device with other sealing keys. Between two cycles only: nothing may be using the keys.</summary>
    public void ReloadKeys()
    {
        var next = DeviceKeys.Load(Directory);
        Keys.Dispose();
        Keys = next;
    }

    /// <summary>Goes on as another device, which has made no records. Between two cycles only: nothing may be using the keys.</summary>
    public void BecomeAnother()
    {
        ReloadKeys();
        (_before, _isNoted) = ([], false);
        // Of the device that this was.
        _ = ApplySettings();
    }

    public void Dispose()
    {
        Database.Dispose();
        Keys.Dispose();
    }
}

/// <summary>Documents in force.</summary>
internal static class DocumentName
{
    public const string Site = "site";
    public const string CapList = "cap-list";
    public const string Policy = "policy";
    /// <summary>Which build of the agent is wanted.</summary>
    public const string Builds = "builds";
    /// <summary>The policy's secrets, sealed as they came: the last ones that this device could open.</summary>
    public const string Secrets = "secrets";
}
