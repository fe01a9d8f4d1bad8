using System.Collections.Concurrent;
using System.Globalization;

namespace Capstan.Nal.Providers.Mswnet;

/// <summary>Servers that may be full without having said so: after 3 tries or an hour without any success the doubt becomes an error. Thread-safe.</summary>
internal sealed class CapacityDoubt(TimeProvider time)
{
    public const int MostTries = 3;
    public static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    private readonly ConcurrentDictionary<string, (int Tries, long Since)> _servers = new(StringComparer.Ordinal);

    /// <summary>The server gave a session.</summary>
    public void Settled(string server) => _servers.TryRemove(server, out _);

    /// <summary>Passes on what is certain; counts what is not, and makes an error of it in the end.</summary>
    public NalException Judge(string server, ConnectFailure failure)
    {
        if (!failure.IsDoubtful)
        {
            _servers.TryRemove(server, out _);
            return failure.Exception;
        }
        var (tries, since) = _servers.AddOrUpdate(server, _ => (1, time.GetTimestamp()), (_, before) => (before.Tries + 1, before.Since));
        var lasting = time.GetElapsedTime(since);
        if (tries <= MostTries && lasting < Longest)
            return failure.Exception;
        var seen = failure.Exception;
        return new NalException(NalError.Connect,
            string.Create(CultureInfo.InvariantCulture, $"{seen.Message}; {tries} tries in {lasting.TotalMinutes:F0} min met the same, so it is taken for a failure, not for a full server: look at the server"),
            seen.Path, seen.Completion, isTransient: true, seen.Server, seen.Code, seen.InnerException);
    }
}

/// <param name="IsDoubtful">The server may be full, and did not say it.</param>
internal readonly record struct ConnectFailure(NalException Exception, bool IsDoubtful = false);
