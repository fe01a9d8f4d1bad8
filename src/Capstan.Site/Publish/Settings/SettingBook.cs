using Capstan.Protocol.V1;

namespace Capstan.Site.Publish.Settings;

/// <summary>A value as the store has it.</summary>
/// <param name="Scope">See <see cref="SettingScope"/>.</param>
internal sealed record SettingRow(string Scope, string Name, string Value, long SetAt);

/// <summary>For whom something is set.</summary>
internal static class SettingScope
{
    public const string Site = "site";
    private const string Client = "client:";

    public static string OfCollection(string name) => PolicySetting.CollectionPrefix + name;

    /// <summary>Name of the collection; null for another scope.</summary>
    public static string? CollectionOf(string scope) => scope.StartsWith(PolicySetting.CollectionPrefix, StringComparison.Ordinal) ? scope[PolicySetting.CollectionPrefix.Length..] : null;

    public static string OfClient(string deviceId) => Client + deviceId;
}

/// <summary>All that is set, and for whom: what holds for a device is the site's, then that of its collections by their priority, then its own. Pure.</summary>
/// <param name="collections">Names of those for which something is set, the weakest first (<see cref="Collections.CollectionStore.WeakestFirst"/>).</param>
internal sealed class SettingBook(IReadOnlyList<SettingRow> settings, IReadOnlyList<string> collections)
{
    private readonly ILookup<string, SettingRow> _settings = settings.ToLookup(row => row.Scope, StringComparer.Ordinal);

    /// <summary>What a policy says, by name; nothing that has its default because nobody set it.</summary>
    /// <param name="memberOf">Names of the device's collections.</param>
    public IReadOnlyList<PolicySetting> Resolve(string deviceId, IReadOnlyCollection<string> memberOf)
    {
        var result = new SortedDictionary<string, PolicySetting>(StringComparer.Ordinal);
        Take(SettingScope.Site, PolicySetting.Site);
        foreach (var collection in collections.Where(memberOf.Contains))
            Take(SettingScope.OfCollection(collection), SettingScope.OfCollection(collection));
        Take(SettingScope.OfClient(deviceId), PolicySetting.Client);
        return [.. result.Values];

        void Take(string scope, string from)
        {
            // What a newer site has left in the store is not handed out by one that does not know it.
            foreach (var row in _settings[scope].Where(row => SettingDefinition.Find(row.Name)?.Holds(row.Value) == true))
                result[row.Name] = new PolicySetting(row.Name, row.Value, from);
        }
    }
}
