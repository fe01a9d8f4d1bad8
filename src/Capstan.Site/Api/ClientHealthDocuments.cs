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
