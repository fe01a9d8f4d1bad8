using System.Globalization;

namespace Capstan.Fleet;

/// <summary>Whether this process may open as many files as its clients need.</summary>
internal static class OpenFiles
{
    /// <summary>Of one client: its database with log and index, its locks, its log, and one connection.</summary>
    public const int PerClient = 8;

    /// <summary>Of the process itself.</summary>
    public const int Own = 200;

    private const string Limits = "/proc/self/limits";

    /// <exception cref="FleetException">They are too many for the limit, which it names.</exception>
    public static void Require(int clients)
    {
        var needed = (clients * PerClient) + Own;
        if (File.Exists(Limits) && Limit(File.ReadAllText(Limits)) is { } limit && limit < needed)
        {
            throw new FleetException(string.Create(CultureInfo.InvariantCulture,
                $"{clients} clients need up to {needed} open files, and this process may have {limit}; raise it with: ulimit -n {needed}, or ask for fewer clients"), ExitCode.Usage);
        }
    }

    /// <summary>The limit in force; null for none.</summary>
    public static long? Limit(string limits)
    {
        var line = limits.Split('\n').FirstOrDefault(line => line.StartsWith("Max open files", StringComparison.Ordinal));
        return long.TryParse(line?["Max open files".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : null;
    }
}
