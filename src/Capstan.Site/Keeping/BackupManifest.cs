using System.Text.Json.Serialization;

namespace Capstan.Site.Keeping;

/// <summary>The document <c>backup.json</c>: written last, so that a backup without it is not complete.</summary>
/// <param name="CreatedAt">By the site's clock, which may have been wrong: for people.</param>
/// <param name="PublishedVersion">Of the metadata; 0 before the first publication.</param>
/// <param name="Clients">Approved ones.</param>
/// <param name="HasRootKey">False when the root key was left out, or was not on the server.</param>
internal sealed record BackupManifest(string Format, int Version, string SiteCode, long Epoch, DateTimeOffset CreatedAt, long PublishedVersion, int RootVersion, int Clients,
    bool HasRootKey, IReadOnlyList<BackupFile> Files)
{
    public const string FileName = "backup.json";
    public const string FormatName = "capstan-backup";
    public const int KnownVersion = 1;
}

/// <param name="Path">Below the backup, with <c>/</c>.</param>
/// <param name="Sha256">Lower-case hexadecimal.</param>
internal sealed record BackupFile(string Path, long LengthBytes, string Sha256);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(BackupManifest))]
internal sealed partial class BackupJson : JsonSerializerContext;
