namespace Capstan.Nal.Arbiter;

/// <summary>One connection as <c>nal connections</c> shows it.</summary>
/// <param name="Path">The server, or the place where nobody counts connections.</param>
/// <param name="Account">Empty where the storage has none.</param>
/// <param name="State"><c>connecting</c>, <c>open</c>, <c>idle</c> (kept warm, no lease) or <c>closing</c>.</param>
/// <param name="ReferenceCount">Leases now.</param>
/// <param name="PersistenceCount">Components that asked to keep it warm.</param>
public sealed record ConnectionView(string Path, string? Server, string Account, string State, int ReferenceCount, int PersistenceCount,
    IReadOnlyList<string> Holders, DateTimeOffset Opened, DateTimeOffset LastUsed);
