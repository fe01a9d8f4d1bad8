using Capstan.Client.Inventory;
using Capstan.Client.State;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>Runs the inventory components and the heartbeat, each alone with a deadline: one that fails or hangs is reported and stops no other.</summary>
internal sealed class Components(ClientCore core, ClientParts parts, Deadlines deadlines, TimeProvider time)
{
    /// <summary>How long one component may run.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    /// <summary>More addresses than a heartbeat may hold are a machine of containers; the first of them name it well enough.</summary>
    private const int MaxAddresses = 1_000;

    private readonly MachineCheck _machine = new(core);

    /// <summary>Collects both inventories and spools those that changed.</summary>
    /// <returns>One line for each component that failed; empty when all did what they can on this system.</returns>
    public async Task<IReadOnlyList<string>> CollectAsync(CancellationToken cancellationToken)
    {
        var problems = new List<string>();
        await RunAsync(Documents.HardwareInventory, token => Task.FromResult(parts.Hardware(token)), Seen, problems, cancellationToken);
        await RunAsync(Documents.SoftwareInventory, parts.Software, InventoryFingerprint.Of, problems, cancellationToken);
        return problems;
    }

    /// <summary>Looks at the hardware before this machine asks to become a client: an image may have been copied since it was installed.</summary>
    public async Task CheckMachineAsync(CancellationToken cancellationToken)
    {
        try
        {
            _machine.See(await deadlines.RunAsync(ItemKind.HardwareInventory, Deadline, token => Task.FromResult(parts.Hardware(token)), cancellationToken));
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Evidence is a help, no condition: a machine that cannot tell what it is becomes a client all the same.
            ClientLog.ComponentFailed(core.Log, ItemKind.HardwareInventory, OneLine(e), e);
        }
    }

    /// <summary>What a configuration request says of this machine.</summary>
    /// <exception cref="ClientException"><c>host_unread</c>.</exception>
    public async Task<HostFacts> RequestFactsAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await HostAsync(cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw new ClientException($"this machine's name and addresses cannot be read ({e.Message}); the request for enrolment waits for them", "host_unread", e);
        }
    }

    /// <summary>The machine's addresses now. None when they cannot be read: then it is nowhere in particular.</summary>
    public async Task<IReadOnlyList<string>> AddressesAsync(CancellationToken cancellationToken)
    {
        try
        {
            return (await HostAsync(cancellationToken)).Addresses;
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            ClientLog.PlaceUnknown(core.Log, OneLine(e));
            return [];
        }
    }

    /// <summary>Spools what the machine says of itself.</summary>
    /// <returns>One line when it failed; null when it is in the spool.</returns>
    public async Task<string?> HeartbeatAsync(CancellationToken cancellationToken)
    {
        try
        {
            var host = await HostAsync(cancellationToken);
            core.Spool.Put(ItemKind.Heartbeat, Documents.Heartbeat.Encode(new Heartbeat
            {
                HostName = ClientCore.Clip(host.HostName),
                OperatingSystem = ClientCore.Clip(host.OperatingSystem),
                ClientVersion = ClientParts.Version,
                Platform = ClientParts.Platform,
                PolicyVersion = core.State.Document(DocumentName.Policy)?.Version ?? 0,
                Addresses = [.. host.Addresses.Take(MaxAddresses)],
                Components = core.State.Components(),
                AccountsRevision = core.State.GetNumber(StateKey.AccountsRevision) is > 0 and var revision ? revision : null,
            }));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
#pragma warning disable CA1031 // One fact that cannot be read must not keep the client from its CAP.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return Failed(ItemKind.Heartbeat, "the last one stays valid", e);
        }
        core.Spool.Over(ItemKind.Heartbeat, StatusCode.ComponentFailed);
        return null;
    }

    private string Seen(HardwareInventory hardware)
    {
        _machine.See(hardware);
        return InventoryFingerprint.Of(hardware);
    }

    private Task<HostFacts> HostAsync(CancellationToken cancellationToken) =>
        deadlines.RunAsync(ItemKind.Heartbeat, Deadline, _ => Task.FromResult(parts.Host()), cancellationToken);

    private async Task RunAsync<T>(DocumentKind<T> kind, Func<CancellationToken, Task<T>> collect, Func<T, string> fingerprint, List<string> problems,
        CancellationToken cancellationToken) where T : class
    {
        var name = kind.Name;
        var started = time.GetTimestamp();
        string print;
        byte[]? document = null;
        try
        {
            var inventory = await deadlines.RunAsync(name, Deadline, collect, cancellationToken);
            print = fingerprint(inventory);
            if (core.State.Get(StateKey.Fingerprint(name)) != print)
                document = kind.Encode(inventory);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (PlatformNotSupportedException e)
        {
            core.State.SetComponent(new ComponentState(name, "not-implemented", ClientCore.Clip(e.Message)));
            core.Report("warning", StatusCode.ComponentNotImplemented, $"{name}: {e.Message}", name);
            return;
        }
#pragma warning disable CA1031 // Whatever one component throws, the loop goes on and says so.
        catch (Exception e)
#pragma warning restore CA1031
        {
            var problem = Failed(name, "the last inventory stays valid", e);
            core.State.SetComponent(new ComponentState(name, "failed", ClientCore.Clip(OneLine(e))));
            problems.Add(problem);
            return;
        }
        if (document is not null)
            core.Spool.Put(name, document, print);
        ClientLog.InventoryCollected(core.Log, name, time.GetElapsedTime(started).TotalMilliseconds, document is not null);
        core.State.SetComponent(new ComponentState(name, "ok", null));
        core.Spool.Over(name, StatusCode.ComponentFailed);
    }

    private string Failed(string name, string meanwhile, Exception e)
    {
        var cause = OneLine(e);
        ClientLog.ComponentFailed(core.Log, name, cause, e);
        core.Report("error", StatusCode.ComponentFailed, $"{name} failed: {cause}; {meanwhile}, next try in an hour", name);
        return $"{name}: {cause}";
    }

    private static string OneLine(Exception e) => e.Message.ReplaceLineEndings(" ");
}
