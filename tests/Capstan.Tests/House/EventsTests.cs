using System.Reflection;
using Microsoft.Extensions.Logging;

namespace Capstan.Tests.House;

/// <summary>Log events have numbers that mean one thing for ever, and each is explained to the administrator.</summary>
public sealed class EventsTests
{
    private static readonly (string Assembly, int First, int Last)[] Ranges =
    [
        ("Capstan.Nal", 1000, 1999),
        ("Capstan.Protocol", 2000, 2999),
        ("Capstan.Client", 3000, 3999),
        ("capstan-client", 3000, 3999),
        ("Capstan.Site", 4000, 4999),
        ("capstan", 9000, 9999),
    ];

    private static IEnumerable<(string Assembly, LoggerMessageAttribute Event, string Method)> Events() =>
        from range in Ranges
        from type in Assembly.Load(range.Assembly).GetTypes()
        from method in type.GetMethods(BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
        let attribute = method.GetCustomAttribute<LoggerMessageAttribute>()
        where attribute is not null
        select (range.Assembly, attribute, $"{type.Name}.{method.Name}");

    [Fact]
    public void Event_ids_are_unique_across_all_assemblies()
    {
        var twice = Events().GroupBy(e => e.Event.EventId).Where(group => group.Count() > 1)
            .Select(group => $"{group.Key}: {string.Join(", ", group.Select(e => e.Method))}");
        Assert.Empty(twice);
    }

    [Fact]
    public void Event_ids_lie_in_the_range_of_their_assembly() =>
        Assert.All(Events(), e => Assert.Contains(Ranges, range =>
            range.Assembly == e.Assembly && e.Event.EventId >= range.First && e.Event.EventId <= range.Last));

    [Fact]
    public void Every_event_is_explained_in_the_documents()
    {
        var text = Repository.Read("docs/events.md");
        var missing = Events().Where(e => !text.Contains($"| {e.Event.EventId} |", StringComparison.Ordinal))
            .Select(e => $"{e.Event.EventId} {e.Method}: add a row with its meaning and what an administrator does");
        Assert.Empty(missing);
    }
}
