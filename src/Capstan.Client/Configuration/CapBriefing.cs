using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;

namespace Capstan.Client.Configuration;

/// <summary>What this machine knows of the servers of its CAPs, told to the arbiter before a connection is asked for: accounts and terms. By the contact, and by whoever reads beside it, perhaps before the first contact of the process.</summary>
internal static class CapBriefing
{
    /// <param name="problems">Takes a line for accounts that cannot be read; the others are told.</param>
    public static void Tell(ClientCore core, ConnectionArbiter arbiter, IEnumerable<NalPath> caps, List<string> problems)
    {
        // Read anew each time: an installation with another token, or a policy, may have brought some.
        var accounts = CapAccounts.Read(core, problems);
        foreach (var server in CapAccounts.Servers(caps))
            arbiter.SetAccounts(server, CapAccounts.For(server, accounts));
        if (core.CapList is not { } list)
            return;
        foreach (var (server, terms) in CapTerms.Servers(list))
            arbiter.SetServer(server, terms);
    }
}
