using Capstan.Protocol.V1;

namespace Capstan.Site.Publish.Settings;

/// <summary>A group as the store has it.</summary>
internal sealed record GroupRow(string Name, long Priority, string? Rule, long AddedAt);

/// <summary>A value as the store has it.</summary>
/// <param name="Scope">See <see cref="SettingScope"/>.</param>
internal sealed record SettingRow(string Scope, string Name, string Value, long SetAt);

/// <summary>For whom something is set.</summary>
internal static class SettingScope
{
    public const string Site = "site";
    private const string Client = "client:";

    public static string OfGroup(string name) => PolicySetting.GroupPrefix + name;

    public static string OfClient(string deviceId) => Client + deviceId;
}

/// <summary>All that is set, and for whom: what holds for a device is the site's, then that of its groups by their priority, then its own. Pure.</summary>
internal sealed class SettingBook(IReadOnlyList<SettingRow> settings, IReadOnlyList<GroupRow> groups, IReadOnlyCollection<(string Group, string DeviceId)> members)
{
    private readonly ILookup<string, SettingRow> _settings = settings.ToLookup(row => row.Scope, StringComparer.Ordinal);
    private readonly HashSet<(string, string)> _members = [.. members];
    // The weakest first; of two with one priority the later name counts.
    private readonly IReadOnlyList<(GroupRow Row, GroupRule? Rule)> _groups =
        [.. groups.OrderBy(row => row.Priority).ThenBy(row => row.Name, StringComparer.Ordinal).Select(row => (row, GroupRule.Parse(row.Rule)))];

    /// <summary>Groups of a device, the strongest first.</summary>
    public IReadOnlyList<string> GroupsOf(GroupFacts device) => [.. Of(device).Reverse().Select(row => row.Name)];

    public bool IsMember(string group, GroupFacts device) => Of(device).Any(row => row.Name == group);

    /// <summary>Whether a device is in a group by name, not by its rule.</summary>
    public bool IsNamed(string group, string deviceId) => _members.Contains((group, deviceId));

    /// <summary>What a policy says, by name; nothing that has its default because nobody set it.</summary>
    public IReadOnlyList<PolicySetting> Resolve(GroupFacts device)
    {
        var result = new SortedDictionary<string, PolicySetting>(StringComparer.Ordinal);
        Take(SettingScope.Site, PolicySetting.Site);
        foreach (var group in Of(device))
            Take(SettingScope.OfGroup(group.Name), SettingScope.OfGroup(group.Name));
        Take(SettingScope.OfClient(device.DeviceId), PolicySetting.Client);
        return [.. result.Values];

        void Take(string scope, string from)
        {
            // What a newer site has left in the store is not handed out by one that does not know it.
            foreach (var row in _settings[scope].Where(row => SettingDefinition.Find(row.Name)?.Holds(row.Value) == true))
                result[row.Name] = new PolicySetting(row.Name, row.Value, from);
        }
    }

    private IEnumerable<GroupRow> Of(GroupFacts device) =>
        _groups.Where(group => _members.Contains((group.Row.Name, device.DeviceId)) || group.Rule?.Matches(device) == true).Select(group => group.Row);
}
