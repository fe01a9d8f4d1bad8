using Capstan.Client.Builds;
using Capstan.Client.Configuration;
using Capstan.Client.Spool;
using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Client.State;

/// <summary>What a client knows of itself, read beside the process that runs it.</summary>
internal static class StatusReader
{
    public static ClientStatus Read(string directory)
    {
        if (!File.Exists(ClientDatabase.PathIn(directory)))
            throw ClientErrors.NotInstalled(directory);
        using var database = ClientDatabase.OpenReadOnly(directory);
        return Read(database, directory);
    }

    /// <summary>The same, by the process that runs it.</summary>
    public static ClientStatus Read(ClientDatabase database, string directory)
    {
        var state = new ClientState(database);
        if (state.Get(StateKey.Lifecycle) is not { } lifecycle || !DeviceId.TryParse(state.Get(StateKey.DeviceId), out var device))
            throw ClientErrors.NotInstalled(directory);
        var list = state.Document(DocumentName.CapList, Documents.CapList);
        var builds = BuildFolder.ReadState(directory);
        return new ClientStatus(device.Value, device.Fingerprint, state.Get(StateKey.SiteCode)!, lifecycle,
            state.Document(DocumentName.Policy)?.Version ?? 0, state.GetNumber(StateKey.Sequence), state.GetNumber(StateKey.Acknowledged),
            new RecordSpool(database).Count(), Time(state, StateKey.LastContact), Time(state, StateKey.NextContact), state.Get(StateKey.Waiting),
            [.. CapExport.Paths(state, list?.Caps.Select(cap => cap.Path)).Select(path => path.ToString())], ClientParts.Version)
        {
            Build = builds?.Current,
            BuildOnTrial = builds?.Trial?.Id,
            BuildWaiting = state.Get(StateKey.BuildWaiting),
            Assignment = state.Get(StateKey.Assignment),
            Components = state.Components(),
        };
    }

    private static DateTimeOffset? Time(ClientState state, string name) =>
        state.Get(name) is null ? null : DateTimeOffset.FromUnixTimeMilliseconds(state.GetNumber(name));
}
