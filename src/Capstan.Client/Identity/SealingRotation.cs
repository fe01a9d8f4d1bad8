using System.Text;
using Capstan.Client.Configuration;
using Capstan.Client.State;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;

namespace Capstan.Client.Identity;

/// <summary>Changes the sealing key by order. The signing key is the identity and stays.</summary>
/// <remarks>
/// The new key is on the disk before it is announced, and the old one stays until a verified policy holds the new one: whatever the site seals meanwhile is opened. What is interrupted
/// anywhere goes on with the next cycle; an order that comes again before that is answered with the same key.
/// </remarks>
internal static class SealingRotation
{
    /// <summary>Takes the next step, if there is one. Between two contacts only: nothing may be using the keys.</summary>
    public static async Task SettleAsync(ClientCore core, CancellationToken cancellationToken)
    {
        if (core.Lifecycle != ClientLifecycle.Approved || core.Policy is not { } policy)
            return;
        if (policy.Certificate.SealingKey == core.Keys.NextJwk)
        {
            DeviceKeys.Promote(core.Directory, keepFormer: IsSealedToPresent(core));
            core.ReloadKeys();
            ClientLog.SealingKeyTaken(core.Log, core.Keys.SealingJwk.Thumbprint());
        }
        if (core.Keys.Former is { } former && SealedTo(core) != Jwk.From(former).Thumbprint())
        {
            DeviceKeys.RemoveFormer(core.Directory);
            core.ReloadKeys();
        }
        // A policy with a key that this device does not have: another has answered, or this one did before it was set back.
        if (policy.Rekey is not { } order || order <= core.State.GetNumber(StateKey.RekeyOrder) || !OrderRules.HoldsSealingKey(policy, core.Keys))
            return;
        await DeviceKeys.EnsureNextAsync(core.Directory, cancellationToken);
        core.ReloadKeys();
        core.Spool.PutAnswer(ItemKind.SealingKey, Documents.SealingKeyChange.Encode(new SealingKeyChange { Order = order, SealingKey = core.Keys.NextJwk! }), StateKey.RekeyOrder, order);
        ClientLog.SealingKeyMade(core.Log, order, core.Keys.NextJwk!.Thumbprint());
    }

    /// <summary>Says which sealing key this client has, when the site seals to one that it does not: it was set back to before it made that one.</summary>
    public static void TellAgain(ClientCore core, Policy policy)
    {
        // One that was set back to before its approval sends requests only, and a request names the key, too.
        if (core.Lifecycle == ClientLifecycle.Installed)
        {
            if (!core.Spool.HasRequest())
                core.State.Set((StateKey.RequestWanted, ItemKind.SealingKey));
        }
        else if (core.State.Get(StateKey.SealingTold) != policy.Certificate.SealingKey.Thumbprint())
        {
            // Once for each key that the site seals to: what is in the spool arrives.
            core.Spool.Put(ItemKind.SealingKey, Documents.SealingKeyChange.Encode(new SealingKeyChange { Order = policy.Rekey ?? 0, SealingKey = core.Keys.NextJwk ?? core.Keys.SealingJwk }));
            core.State.Set((StateKey.SealingTold, policy.Certificate.SealingKey.Thumbprint()));
            ClientLog.SealingKeyTold(core.Log, (core.Keys.NextJwk ?? core.Keys.SealingJwk).Thumbprint());
        }
    }

    private static bool IsSealedToPresent(ClientCore core) => SealedTo(core) == core.Keys.SealingJwk.Thumbprint();

    /// <summary>To which key the connection accounts are sealed that this client has; null for none.</summary>
    private static string? SealedTo(ClientCore core)
    {
        if (core.State.Document(DocumentName.Secrets) is not { } stored)
            return null;
        try
        {
            return Jwe.PeekKeyId(Encoding.ASCII.GetString(stored.Content));
        }
        catch (ProtocolException)
        {
            // What cannot be read is sealed to nobody; the cycle says so when it looks for accounts.
            return null;
        }
    }
}
