namespace Capstan.Site.Api;

/// <summary>GET /api/v1/client-health[?severity=&amp;filter=&amp;cursor=&amp;limit=]: clients that are not well, the worst first.</summary>
/// <param name="Rows">One line for each.</param>
/// <param name="Next">Cursor of the next page; null on the last one.</param>
/// <param name="Clients">Approved clients, well or not.</param>
/// <param name="Errors">Clients whose worst cause is an error; <paramref name="Warnings"/> and <paramref name="Notes"/> likewise. Of the whole list, whatever filter and page.</param>
/// <param name="OldestHeartbeat">Of an approved client that has sent one; null for none.</param>
public sealed record ClientHealthPage(IReadOnlyList<ClientHealthRow> Rows, string? Next, int Clients, int Errors, int Warnings, int Notes, DateTimeOffset? OldestHeartbeat);

/// <param name="Severity"><c>error</c>, <c>warning</c>, or <c>information</c> for what passes by itself.</param>
/// <param name="Cause">Stable code of the worst cause.</param>
/// <param name="NextStep">What the administrator does about it.</param>
/// <param name="Others">Codes of further causes, the worst first.</param>
/// <param name="HeartbeatAt">When the last heartbeat came; null for none since the site notes it.</param>
/// <param name="PolicyVersion">As that heartbeat said.</param>
/// <param name="LastError">The last message of severity error, whether or not it is a cause.</param>
public sealed record ClientHealthRow(string DeviceId, string HostName, string Fingerprint, string State, string Severity, string Cause, string Text, string NextStep,
    IReadOnlyList<string> Others, DateTimeOffset? LastSeen, DateTimeOffset? HeartbeatAt, long? PolicyVersion, string? LastError, DateTimeOffset? LastErrorAt);

/// <summary>GET /api/v1/clients/{id}/diagnosis: everything that the site knows about how one client does.</summary>
/// <param name="Causes">Why it is not well, the worst first; empty when it is.</param>
/// <param name="Messages">What it, and the site about it, said last, each code once, the newest first.</param>
/// <param name="Refused">Uploads of it in quarantine, the newest first, at most 20.</param>
/// <param name="WaitingUploads">Files of it that wait in an inbox.</param>
/// <param name="Orders">What was ordered of it, and how far that is.</param>
/// <param name="Report">What it said of itself when it was asked; null when it never was, or has not answered yet.</param>
/// <param name="RunThere">Commands for the person at the machine, in the order in which they help.</param>
public sealed record ClientDiagnosis(ClientSummary Summary, IReadOnlyList<ClientCauseRow> Causes, IReadOnlyList<ClientMessageRow> Messages, IReadOnlyList<QuarantineRow> Refused, int WaitingUploads,
    DateTimeOffset? WaitingSince, DateTimeOffset? HeartbeatAt, DateTimeOffset? PolicySignedAt, long? PolicySignedVersion, IReadOnlyList<ClientSettingRow> Settings, IReadOnlyList<ClientOrderRow> Orders,
    Capstan.Protocol.V1.Diagnosis? Report, DateTimeOffset? ReportAt, IReadOnlyList<string> RunThere);

public sealed record ClientCauseRow(string Code, string Severity, string Text, string NextStep);

/// <param name="Count">How often since it was first said in these words.</param>
public sealed record ClientMessageRow(string Code, string Severity, string Component, string Text, DateTimeOffset ReceivedAt, int Count);

/// <param name="Order"><c>resync</c>, <c>rekey</c> or <c>diagnose</c>.</param>
/// <param name="OrderedAt">By the site's clock; of two orders within a second the later stands a second later.</param>
/// <param name="State"><c>ordered</c>, <c>told</c> (it has reported with that policy) or <c>answered</c>.</param>
public sealed record ClientOrderRow(string Order, DateTimeOffset OrderedAt, string State);
