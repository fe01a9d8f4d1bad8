using Capstan.Testing;
using Microsoft.Data.Sqlite;

namespace Capstan.ServerTests.Up;

/// <summary>A directory in which <c>capstan up --once</c> came to its end, and <c>capstan up</c> runs now.</summary>
public sealed class RunningUp : IAsyncLifetime
{
    private CapstanProcess? _up;

    internal TemporaryDirectory Directory { get; } = new();

    /// <summary>What the run that ended has printed.</summary>
    internal string Once { get; private set; } = "";

    internal long ApprovedAfterOnce { get; private set; }

    internal long PackagesAfterOnce { get; private set; }

    internal CapstanProcess Up => _up!;

    public async ValueTask InitializeAsync()
    {
        var (code, output, errors) = await CapstanProcess.RunAsync(Directory.Path, "up", "--port", "0", "--once");
        Once = output + errors;
        Assert.True(code == 0, Once);
        using (var database = Open(Directory))
        {
            ApprovedAfterOnce = Scalar(database, "select count(*) from device where state = 'approved'");
            PackagesAfterOnce = Scalar(database, "select count(*) from software");
        }
        _up = CapstanProcess.Start(Directory.Path, "up", "--port", "0");
        var listening = Directory.Combine("capstan-data/site/listening");
        using var deadline = new CancellationTokenSource(Patience.Limit);
        while (!File.Exists(listening))
        {
            if (deadline.IsCancellationRequested)
                throw new TimeoutException($"up did not listen within {Patience.Limit}.\n{Up.Output}\n{Up.Errors}");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_up is not null)
            await _up.DisposeAsync();
        Directory.Dispose();
    }

    /// <summary>The site's database, to read.</summary>
    internal static SqliteConnection Open(TemporaryDirectory directory)
    {
        var connection = new SqliteConnection($"Data Source={directory.Combine("capstan-data/site/site.db")};Mode=ReadOnly;Pooling=False");
        connection.Open();
        return connection;
    }

    internal static long Scalar(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }
}
