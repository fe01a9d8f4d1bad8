using System.Data.Common;
using System.Runtime.CompilerServices;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>Statements that the loader runs for every upload: prepared once for each connection, found again by their text.</summary>
/// <remarks>For constant texts only, since nothing is ever forgotten before the connection is closed. One user of a connection at a time.</remarks>
internal static class PreparedStatements
{
    private static readonly ConditionalWeakTable<DbConnection, Dictionary<string, DbCommand>> Commands = [];

    /// <param name="parameters">In the same order at every call.</param>
    /// <returns>Rows that it changed.</returns>
    public static Task<int> RunAsync(this DbTransaction transaction, string statement, params ReadOnlySpan<(string Name, object? Value)> parameters) =>
        Command(transaction, statement, parameters).ExecuteNonQueryAsync();

    /// <summary>The first row; null for none.</summary>
    /// <param name="parameters">In the same order at every call.</param>
    public static Task<T?> FirstAsync<T>(this DbTransaction transaction, string query, params ReadOnlySpan<(string Name, object? Value)> parameters) where T : class =>
        FirstAsync<T>(Command(transaction, query, parameters));

    private static async Task<T?> FirstAsync<T>(DbCommand command) where T : class
    {
        await using var reader = await command.ExecuteReaderAsync();
        return await reader.ReadAsync() ? reader.GetRowParser<T>()(reader) : null;
    }

    private static DbCommand Command(DbTransaction transaction, string statement, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var commands = Commands.GetOrCreateValue(transaction.Connection!);
        if (!commands.TryGetValue(statement, out var command))
        {
            command = transaction.Connection!.CreateCommand();
            command.CommandText = statement;
            foreach (var (name, _) in parameters)
            {
                var parameter = command.CreateParameter();
                parameter.ParameterName = name;
                command.Parameters.Add(parameter);
            }
            commands.Add(statement, command);
        }
        command.Transaction = transaction;
        for (var i = 0; i < parameters.Length; i++)
            command.Parameters[i].Value = parameters[i].Value ?? DBNull.Value;
        return command;
    }
}
