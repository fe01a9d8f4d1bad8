using Capstan.Client.Inventory;

namespace Capstan.Testing.Fuzz;

/// <summary>Any process of group utmp writes this file: no content gives more users than records, or a time beyond the calendar.</summary>
public static class UtmpFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        foreach (var size in (ReadOnlySpan<int>)[Utmp.ShortRecord, Utmp.LongRecord])
        {
            var users = Utmp.Parse(data, size);
            if (users.Count > data.Length / size)
            {
                throw new InvalidOperationException($"{users.Count} users of {data.Length / size} records");
            }
            foreach (var user in users)
            {
                FuzzFacts.Check(user.Name, user.Terminal, user.Host);
                if (user.Since is { } since)
                {
                    _ = DateTimeOffset.FromUnixTimeSeconds(since);
                }
            }
        }
    }
}
