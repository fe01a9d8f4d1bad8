using Capstan.Client.Identity;
using Capstan.Client.State;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>Looks whether this directory still lies on the machine on which it was seen last, and takes the identity that the site or the hardware asks for.</summary>
/// <remarks>Where one identity is used by two machines, the site tells which of them keeps it, since neither can know: it hears both. Only a machine that the site does not know yet decides alone.</remarks>
internal sealed class MachineCheck(ClientCore core)
{
    /// <summary>Remembers the hardware. On other hardware than before the installation gets a new nonce; one that is not enrolled yet, a new identity.</summary>
    public void See(HardwareInventory hardware)
    {
        var now = HardwareEvidence.Of(hardware);
        var before = HardwareEvidence.Parse(core.State.Get(StateKey.Evidence) ?? "");
        var match = HardwareEvidence.Compare(before, now);
        if (match == MachineMatch.Other)
        {
            core.State.Set((StateKey.Evidence, now.ToText()), (StateKey.InstallNonce, NewIdentity.NewNonce()),
                IdentityOrder.Entry(core.Lifecycle == ClientLifecycle.Installed ? IdentityOrder.Own : null));
            ClientLog.OtherMachine(core.Log, string.Join(", ", before.Values), string.Join(", ", now.Values));
            core.Report("information", StatusCode.MachineChanged,
                "This client runs on other hardware than before: its disk was moved, copied or restored. Should the other machine report, too, the site tells one of them to make an identity of its own.");
        }
        else if (now.Values.Count > 0 && now.ToText() != before.ToText())
            core.State.Set((StateKey.Evidence, now.ToText()));
    }

    /// <summary>Evidence of the hardware as far as it can be read; none where it cannot, and then the first inventory brings it, or says why there is none.</summary>
    public static HardwareEvidence Read(ClientParts parts, CancellationToken cancellationToken)
    {
        try
        {
            return HardwareEvidence.Of(parts.Hardware(cancellationToken));
        }
#pragma warning disable CA1031 // Evidence is a help, no condition: an installation does not fail for want of it.
        catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
        {
            return HardwareEvidence.None;
        }
    }

    /// <summary>Makes this machine another client, when it was told to be.</summary>
    public async Task SettleAsync(CancellationToken cancellationToken)
    {
        if (IdentityOrder.Of(core.State) is not { } order)
            return;
        var before = core.Keys.Id;
        await NewIdentity.TakeAsync(core, order.Speaker, cancellationToken);
        ClientLog.IdentityTaken(core.Log, before.Value, core.Keys.Id.Value, core.Keys.Id.Fingerprint);
    }
}
