namespace Capstan.Cli.Output;

internal enum OutputFormat
{
    /// <summary>For people; may change.</summary>
    Table = 1,
    /// <summary>The documents of <c>/api/v1</c>; stable.</summary>
    Json = 2,
    /// <summary>RFC 4180 with a header line; columns are added at the end, never renamed.</summary>
    Csv = 3,
}
