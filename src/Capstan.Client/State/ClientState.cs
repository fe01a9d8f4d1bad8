using System.Globalization;
using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Client.State;

/// <summary>Names of the single values that a client keeps.</summary>
internal static class StateKey
{
    public const string SiteCode = "site-code";
    /// <summary>Why this site and no other; absent where there was no choice.</summary>
    public const string Assignment = "assignment";
    public const string DeviceId = "device-id";
    public const string InstallNonce = "install-nonce";
    /// <summary>See <see cref="Identity.HardwareEvidence"/>: the hardware on which this directory was seen last.</summary>
    public const string Evidence = "evidence";
    /// <summary>See <see cref="Identity.IdentityOrder"/>.</summary>
    public const string NewIdentityWanted = "new-identity-wanted";
    /// <summary>See <see cref="Identity.NewIdentity.Former"/>.</summary>
    public const string Former = "former-identity";
    /// <summary>Starts of the client under which records of this identity were made, oldest first, one a line: see <see cref="ClientCore.Instance"/>.</summary>
    public const string Starts = "starts";
    /// <summary>CAPs that the person at the machine gave (<c>--cap</c>), one a line: always part of the export.</summary>
    public const string OwnCaps = "own-caps";
    /// <summary>CAPs of the enrolment token, one a line: used until the site's list is adopted.</summary>
    public const string TokenCaps = "token-caps";
    /// <summary><c>installed</c>, <c>approved</c>, <c>retired</c>.</summary>
    public const string Lifecycle = "lifecycle";
    /// <summary>Present until a configuration request with the present token stands in the spool.</summary>
    public const string RequestWanted = "request-wanted";
    /// <summary>Version of the timestamp whose orders were all read; a crash before that reads them again.</summary>
    public const string OrdersVersion = "orders-version";
    public const string Sequence = "sequence";
    public const string LastHash = "last-hash";
    public const string Acknowledged = "acknowledged";
    /// <summary>Last record of the chain that this client went on with after its state was lost; absent once the site has a record made since.</summary>
    public const string ContinuedAfter = "continued-after";
    public const string ReceiptsEpoch = "receipts-epoch";
    public const string ReceiptsRevision = "receipts-revision";
    public const string ResyncRevision = "resync-revision";
    /// <summary>Number of the last order to send everything in full that was followed.</summary>
    public const string ResyncOrder = "resync-order";
    /// <summary>Number of the last order to make a new sealing key that was followed.</summary>
    public const string RekeyOrder = "rekey-order";
    /// <summary>Id of a sealing key that this client does not have, and that its site seals to: it was told so. Absent while policies can be opened.</summary>
    public const string SealingTold = "sealing-told";
    /// <summary>Number of the last order to report what this client knows of itself that was followed.</summary>
    public const string DiagnoseOrder = "diagnose-order";
    /// <summary>Present as long as the newest record that was made holds the last word to this site: see <see cref="Moving.ClientMove"/>.</summary>
    public const string Departed = "departed";
    public const string LastContact = "last-contact";
    public const string NextContact = "next-contact";
    public const string Waiting = "waiting";
    public const string PollSeconds = "poll-seconds";
    /// <summary>Revision of the connection accounts in <see cref="DocumentName.Secrets"/>; absent where they tell none.</summary>
    public const string AccountsRevision = "accounts-revision";
    /// <summary>The revision that a heartbeat told last.</summary>
    public const string AccountsConfirmed = "accounts-confirmed";

    /// <summary>SHA-256 of the policy in force; absent for none.</summary>
    public const string PolicyPrint = "policy-print";
    /// <summary>The same, as a heartbeat told last that it is here.</summary>
    public const string PolicyConfirmed = "policy-confirmed";

    /// <summary>For how long this client ran without finding a CAP; absent while it finds one.</summary>
    public const string AbsentSeconds = "absent-seconds";

    /// <summary>CAPs that served badly, and when (Unix milliseconds before the path), one a line; absent for none. See <see cref="Configuration.AvoidedCaps"/>.</summary>
    public const string AvoidedCaps = "avoided-caps";

    /// <summary>The same of those whose content was bad.</summary>
    public const string AvoidedContentCaps = "avoided-content-caps";

    /// <summary>How many schema scripts a program must know to work with this file.</summary>
    public const string SchemaOldest = "schema-oldest";
    /// <summary>Number of the build order that was seen last; when, is the moment of the same name.</summary>
    public const string BuildOrder = "build-order";
    /// <summary>The trial for which the last process ended itself, its order, and the starts that were counted then.</summary>
    public const string BuildAsked = "build-asked";
    /// <summary>What the builds wait for, for people; absent for nothing.</summary>
    public const string BuildWaiting = "build-waiting";

    public static string Fingerprint(string kind) => "fingerprint:" + kind;

    /// <summary>See <see cref="Spool.ShownReceipts"/>.</summary>
    public static string ReceiptsShown(string cap) => "receipts-shown:" + cap;

    /// <summary>What was reported last under a status code, so that a lasting condition is urgent once.</summary>
    public static string Reported(string component, string code) => $"reported:{component}/{code}";
}

/// <summary>Single values, documents in force, component states and times: everything but trust and spool.</summary>
internal sealed class ClientState(ClientDatabase database)
{
    public string? Get(string name) =>
        database.Read(connection => (string?)connection.Scalar("select value from state where name = $name", ("$name", name)));

    public long GetNumber(string name) => Get(name) is { } text ? long.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) : 0;

    /// <summary>Writes all values in one transaction; null removes.</summary>
    public void Set(params (string Name, string? Value)[] values) => database.Write(connection =>
    {
        foreach (var (name, value) in values)
            Put(connection, name, value);
    });

    /// <summary>For use inside another transaction.</summary>
    public static void Put(Microsoft.Data.Sqlite.SqliteConnection connection, string name, string? value)
    {
        if (value is null)
            connection.Execute("delete from state where name = $name", ("$name", name));
        else
            connection.Execute("insert into state (name, value) values ($name, $value) on conflict (name) do update set value = excluded.value",
                ("$name", name), ("$value", value));
    }

    public static void Put(Microsoft.Data.Sqlite.SqliteConnection connection, string name, long value) =>
        Put(connection, name, value.ToString(CultureInfo.InvariantCulture));

    public IReadOnlyList<string> GetLines(string name) => Get(name)?.Split('\n', StringSplitOptions.RemoveEmptyEntries) ?? [];

    /// <summary>A document in force; null when none was ever adopted.</summary>
    public StoredDocument? Document(string name) => database.Read(connection => connection.Query(
        "select version, sha256, content from document where name = $name",
        row => new StoredDocument(row.GetInt64(0), row.GetString(1), (byte[])row[2]), ("$name", name)).SingleOrDefault());

    /// <summary>A document in force, decoded; null when none was ever adopted.</summary>
    /// <exception cref="ClientException"><c>state_newer</c>.</exception>
    public T? Document<T>(string name, DocumentKind<T> kind) where T : class
    {
        if (Document(name) is not { } document)
            return null;
        try
        {
            return kind.Decode(document.Content);
        }
        catch (ProtocolException e)
        {
            // It was read before it was adopted, so only a newer or older program of ours can fail here.
            throw new ClientException($"the stored document '{name}' cannot be read by this program ({e.Message}); use the program that stored it", "state_newer", e);
        }
    }

    /// <summary>Puts a document in force together with values that follow from it.</summary>
    public void Adopt(string name, StoredDocument document, params (string Name, string? Value)[] values) =>
        Adopt(name, document, also: null, values);

    /// <param name="also">Done in the same transaction.</param>
    public void Adopt(string name, StoredDocument document, Action<Microsoft.Data.Sqlite.SqliteConnection>? also, params (string Name, string? Value)[] values) => database.Write(connection =>
    {
        also?.Invoke(connection);
        connection.Execute("""
            insert into document (name, version, sha256, content) values ($name, $version, $sha256, $content)
            on conflict (name) do update set version = excluded.version, sha256 = excluded.sha256, content = excluded.content
            """, ("$name", name), ("$version", document.Version), ("$sha256", document.Sha256), ("$content", document.Content));
        foreach (var (key, value) in values)
            Put(connection, key, value);
    });

    public IReadOnlyList<ComponentState> Components() => database.Read(connection => connection.Query(
        "select name, state, detail from component order by name",
        row => new ComponentState(row.GetString(0), row.GetString(1), row.IsDBNull(2) ? null : row.GetString(2))));

    public void SetComponent(ComponentState component) => database.Write(connection => connection.Execute(
        "insert into component (name, state, detail) values ($name, $state, $detail) on conflict (name) do update set state = excluded.state, detail = excluded.detail",
        ("$name", component.Name), ("$state", component.State), ("$detail", component.Detail)));

    /// <summary>When something was done last by the wall clock of then; null for never.</summary>
    public DateTimeOffset? Moment(string name) => database.Read(connection =>
        connection.Scalar("select at from moment where name = $name", ("$name", name)) is long at ? DateTimeOffset.FromUnixTimeMilliseconds(at) : (DateTimeOffset?)null);

    public void SetMoments(DateTimeOffset now, params string[] names) => database.Write(connection =>
    {
        foreach (var name in names)
            connection.Execute("insert into moment (name, at) values ($name, $at) on conflict (name) do update set at = excluded.at",
                ("$name", name), ("$at", now.ToUnixTimeMilliseconds()));
    });

    public void ClearMoments(params string[] names) => database.Write(connection =>
    {
        foreach (var name in names)
            ClearMoment(connection, name);
    });

    /// <summary>Lets everything be collected and sent anew: the site has not what it was sent, or another machine's in its place.</summary>
    public void ForgetReported()
    {
        Set((StateKey.Fingerprint(ItemKind.HardwareInventory), null), (StateKey.Fingerprint(ItemKind.SoftwareInventory), null));
        ClearMoments(MomentName.Heartbeat, MomentName.Inventory);
    }

    /// <summary>For use inside another transaction.</summary>
    public static void ClearMoment(Microsoft.Data.Sqlite.SqliteConnection connection, string name) =>
        connection.Execute("delete from moment where name = $name", ("$name", name));
}

/// <param name="Version">Version of the role that lists it.</param>
/// <param name="Content">As it was verified.</param>
internal sealed record StoredDocument(long Version, string Sha256, byte[] Content);
