using System.Text;
using Capstan.Nal.Paths;

namespace Capstan.Site.Publish;

/// <summary>What a CAP says to people: the file in its folder, and how its rights are to be set.</summary>
internal static class CapText
{
    public static byte[] Readme() => Encoding.UTF8.GetBytes("""
        This folder is a Capstan client access point (CAP): it carries everything between computers and their management site.

        metadata/  targets/   signed by the site; clients verify every byte
        receipts/             what the site has taken in, signed
        inbox/                sealed uploads of the clients; the site takes them away

        Nothing here needs a backup: the site publishes all of it again with `capstan cap publish`.
        Do not edit or move files: clients notice, keep their last good state, and report it.

        """);

    /// <summary>The share and the rights that the storage must be given, so that clients can create uploads and do nothing else.</summary>
    /// <param name="accounts">The site's connection accounts; null where the storage needs none.</param>
    /// <param name="clientAccounts">The clients' ones, which may be the same.</param>
    public static IReadOnlyList<string> Recipe(NalPath path, IReadOnlyList<string>? accounts = null, IReadOnlyList<string>? clientAccounts = null)
    {
        var directory = path.LocalDirectory;
        if (directory is not null)
            return OperatingSystem.IsWindows() ? OnWindows($"\"{directory}\"", "SYSTEM", "Users") : OnUnix(directory);
        var own = accounts?[0] ?? "SITE";
        var shared = clientAccounts is null || clientAccounts.Contains(own, StringComparer.OrdinalIgnoreCase);
        var clients = shared ? "CLIENTS" : clientAccounts![0];
        if (path.Provider == "NWBIND")
            return OnNetWare(path, own, clients, shared);
        var below = string.Join('/', path.Segments.Skip(1));
        var folder = below.Length == 0 ? "FOLDER is the share's path" : $"FOLDER is the folder {below} in the share's path, not the share itself";
        return
        [
            .. shared ? [$"The clients use the site's account {own}: each of them can delete and change what lies there (not unseen: everything is signed). Give them one with fewer rights: capstan cap add '{path}' --client-account {clients} --client-password-file FILE"] : Array.Empty<string>(),
            $"Samba ({folder}), in smb.conf for the share: read only = no ; valid users = {own} {clients} ; inherit owner = unix only ; create mask = 0644 ; directory mask = 0755",
            "  (with inherit owner, an upload belongs to the site as soon as it is there: its client can neither delete nor rename it)",
            $"  then: chown -R '{own}' FOLDER ; chmod -R u=rwX,go=rX FOLDER ; find FOLDER/inbox -type d -exec chmod 1733 {{}} +",
            "  where FOLDER/inbox is not there yet: capstan cap publish makes it; then the line with find again",
            $"Windows ({folder}): give both accounts Change on the share; then",
            .. OnWindows("FOLDER", own, clients).Select(line => $"  {line}"),
        ];
    }

    private static IReadOnlyList<string> OnUnix(string directory)
    {
        var quoted = $"'{directory.TrimEnd('/').Replace("'", "'\\''", StringComparison.Ordinal)}'";
        return
        [
            "When clients run as another user than the site (on a machine with one user, nothing is needed):",
            $"chown -R SITE-USER: {quoted}",
            $"chmod -R u=rwX,go=rX {quoted}",
            $"find {quoted}/inbox -type d -exec chmod 1733 {{}} +",
            "When clients reach the folder as a share, give its share path to `capstan cap add` as well: it prints the recipe for that.",
        ];
    }

    /// <remarks>Trustee rights of a folder replace those that come from above; whoever may only create can write what he makes, and neither see nor delete it afterwards.</remarks>
    private static IReadOnlyList<string> OnNetWare(NalPath path, string site, string clients, bool shared)
    {
        var folder = $"{(path.Segments.Count > 0 ? path.Segments[0] : "VOLUME")}:{string.Join('\\', path.Segments.Skip(1))}";
        return
        [
            .. shared ? [$"The clients use the site's account {site}: each of them can delete and change what lies there (not unseen: everything is signed). Give them one with fewer rights: capstan cap add '{path}' --client-account {clients} --client-password-file F"] : (string[])[],
            "NetWare, as a supervisor (as its manuals have it; never tried on a server of Novell):",
            $"  RIGHTS {folder} R W C E M F /NAME={site}",
            $"  RIGHTS {folder} R F /NAME={clients}",
            $"  RIGHTS {folder}\\inbox C /NAME={clients}",
            "  where inbox is not there yet: capstan cap publish makes it; then the last line again. The volume needs the LONG name space.",
        ];
    }

    /// <remarks>OWNER RIGHTS (S-1-3-4): whoever made an upload owns it, and would otherwise be free to change its rights.</remarks>
    private static IReadOnlyList<string> OnWindows(string folder, string site, string clients) =>
    [
        $"icacls {folder} /inheritance:r /grant {site}:(OI)(CI)F Administrators:(OI)(CI)F {clients}:(OI)(CI)RX",
        $"icacls {folder.TrimEnd('"')}\\inbox{(folder.EndsWith('"') ? "\"" : "")} /inheritance:r /grant {site}:(OI)(CI)F Administrators:(OI)(CI)F {clients}:(CI)(X,RA,WD) *S-1-3-4:(OI)(CI)(RC)",
    ];
}
