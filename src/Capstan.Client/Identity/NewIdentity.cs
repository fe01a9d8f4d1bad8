using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Capstan.Client.Configuration;
using Capstan.Client.Spool;
using Capstan.Client.State;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;
using Microsoft.Data.Sqlite;

namespace Capstan.Client.Identity;

/// <summary>
/// Makes this machine another client of its site, when its identity turned out to be another machine's, too. Everything that belongs to the old identity stays with the
/// machine that keeps it; accounts, trusted metadata and the list of CAPs stay here. A crash at any instruction leaves the old identity or the new one.
/// </summary>
/// <remarks>The new keys are written beside the old ones first; the transaction that names the new device decides; then they take the old ones' place (<see cref="Finish"/>).</remarks>
internal static class NewIdentity
{
    /// <summary>Where the next keys wait.</summary>
    public const string Folder = "next";

    /// <param name="speaker">Under which name the site told this machine to; null when it is not known to the site yet, and so needs no proof.</param>
    public static async Task TakeAsync(ClientCore core, string? speaker, CancellationToken cancellationToken)
    {
        var next = Path.Combine(core.Directory, Folder);
        DurableFile.CreatePrivateDirectory(next);
        DurableFile.FlushDirectory(core.Directory);
        await DeviceKeys.EnsureAsync(next, cancellationToken);
        DeviceId id;
        using (var keys = DeviceKeys.Load(next))
            id = keys.Id;
        // The policy that holds them is sealed to the old key, which goes.
        await AccountFile.SaveAsync(core.Directory, [.. CapAccounts.Read(core, []).Take(AccountSecret.MaxAccounts)], cancellationToken);
        var former = speaker is null ? null : FormerIdentity.Of(core.Keys.Signing, core.SiteCode, id, speaker);
        core.Database.Write(connection => Begin(connection, id, former));
        Finish(core.Directory, id.Value);
        core.BecomeAnother();
    }

    /// <summary>What waits beside the keys of a machine that changes its site (<see cref="Moving.SiteChange"/>), and takes the old site's place with them.</summary>
    private static readonly string[] s_ofAnotherSite = [AccountFile.FileName, EnrolmentSecret.FileName];

    /// <summary>Puts the next keys in place when the state says that they are this device's; takes them away when it does not.</summary>
    /// <param name="deviceId">As the state has it; null for none.</param>
    /// <exception cref="ClientException"><c>keys_damaged</c>: neither keys are the device's, as far as they can be read. Nothing was touched.</exception>
    public static void Finish(string directory, string? deviceId)
    {
        var next = Path.Combine(directory, Folder);
        if (!Directory.Exists(next))
            return;
        var keys = Path.Combine(next, DeviceKeys.Folder);
        var signing = Path.Combine(keys, DeviceKeys.SigningFile);
        var sealing = Path.Combine(keys, DeviceKeys.SealingFile);
        var present = Path.Combine(directory, DeviceKeys.Folder, DeviceKeys.SigningFile);
        if (deviceId is not null && IdOf(signing) == deviceId)
        {
            // The signing key goes last: as long as it waits here, it tells whose all of them are.
            foreach (var other in s_ofAnotherSite)
                Move(Path.Combine(keys, other), directory, other);
            Move(sealing, directory, DeviceKeys.SealingFile);
            foreach (var other in new[] { DeviceKeys.NextFile, DeviceKeys.FormerFile })
                File.Delete(Path.Combine(directory, DeviceKeys.Folder, other));
            Move(signing, directory, DeviceKeys.SigningFile);
        }
        else if (deviceId is not null && IdOf(present) != deviceId)
            throw new ClientException($"neither {present} nor {signing} is the key of device {deviceId}, as far as they can be read; restore the directory from a backup, or uninstall and install again, "
                + "which makes this machine a new client", "keys_damaged");
        if (Directory.Exists(keys))
        {
            foreach (var file in new[] { signing, sealing }.Concat(s_ofAnotherSite.Select(other => Path.Combine(keys, other))))
            {
                File.Delete(file);
                File.Delete(file + ".tmp");
            }
            Directory.Delete(keys);
        }
        Directory.Delete(next);
        DurableFile.FlushDirectory(directory);
    }

    /// <summary>What the request of the new identity says of the old one; null for an identity that followed none.</summary>
    public static FormerIdentity? Former(ClientState state) =>
        state.Get(StateKey.Former) is { } text ? JsonSerializer.Deserialize(text, DocumentsJson.Default.FormerIdentity) : null;

    private static void Begin(SqliteConnection connection, DeviceId id, FormerIdentity? former)
    {
        connection.Execute("""
            delete from record; delete from item where kind <> 'status'; delete from component; delete from moment;
            delete from document where name in ('policy', 'secrets');
            delete from state where name like 'fingerprint:%' or name like 'reported:%' or name like 'receipts-shown:%' or name in
                ('sequence', 'last-hash', 'acknowledged', 'continued-after', 'receipts-epoch', 'receipts-revision', 'resync-revision', 'orders-version', 'waiting', 'new-identity-wanted', 'starts', 'settings', 'settings-confirmed', 'rekey-order', 'sealing-told', 'diagnose-order', 'absent-seconds', 'departed')
            """);
        foreach (var (name, value) in new[]
        {
            (StateKey.DeviceId, id.Value),
            (StateKey.InstallNonce, NewNonce()),
            (StateKey.Lifecycle, "installed"),
            (StateKey.RequestWanted, "new-identity"),
            (StateKey.Former, former is null ? null : JsonSerializer.Serialize(former, DocumentsJson.Default.FormerIdentity)),
        })
            ClientState.Put(connection, name, value);
    }

    public static string NewNonce() => Base32.Encode(RandomNumberGenerator.GetBytes(20));

    /// <summary>Whose a key is; null when it is not there or cannot be read.</summary>
    private static string? IdOf(string signingKey)
    {
        using var key = P256.Signing();
        try
        {
            key.ImportFromPem(File.ReadAllText(signingKey, Encoding.ASCII));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or IOException)
        {
            return null;
        }
        return DeviceId.FromPublicKey(key.ExportSubjectPublicKeyInfo()).Value;
    }

    private static void Move(string from, string directory, string file)
    {
        if (File.Exists(from))
            DurableFile.Move(from, Path.Combine(directory, DeviceKeys.Folder, file));
    }
}
