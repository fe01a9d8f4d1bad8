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

    /// <summary>The rights that the storage must be given, so that clients can create uploads and do nothing else.</summary>
    public static IReadOnlyList<string> Recipe(NalPath path)
    {
        var directory = path.LocalDirectory;
        if (directory is not null && OperatingSystem.IsWindows())
            return
            [
                $"icacls \"{directory}\" /inheritance:r /grant SYSTEM:(OI)(CI)F Administrators:(OI)(CI)F Users:(OI)(CI)RX",
                $"icacls \"{directory}\\inbox\" /inheritance:r /grant SYSTEM:(OI)(CI)F Administrators:(OI)(CI)F Users:(CI)(X,WD)",
            ];
        if (directory is not null)
        {
            var quoted = $"'{directory.TrimEnd('/').Replace("'", "'\\''", StringComparison.Ordinal)}'";
            return
            [
                "When clients run as another user than the site (on a machine with one user, nothing is needed):",
                $"chown -R SITE-USER: {quoted}",
                $"chmod -R u=rwX,go=rX {quoted}",
                $"find {quoted}/inbox -type d -exec chmod 1733 {{}} +",
                "When the folder is shared by Samba, also in smb.conf: read only = no, inherit owner = no, and for the clients' account the same rights as above.",
            ];
        }
        return
        [
            "The clients' account: read on the share and its folders metadata, targets, receipts; in inbox and its folders create files only (no list, read, delete, rename).",
            "Samba: chown -R SITE-USER: FOLDER ; chmod -R u=rwX,go=rX FOLDER ; find FOLDER/inbox -type d -exec chmod 1733 {} + ; in smb.conf: read only = no",
            "Windows: share with Change for the clients' account; icacls FOLDER /grant CLIENTS:(OI)(CI)RX ; icacls FOLDER\\inbox /inheritance:r /grant SYSTEM:(OI)(CI)F /grant Administrators:(OI)(CI)F /grant CLIENTS:(CI)(X,WD)",
        ];
    }
}
