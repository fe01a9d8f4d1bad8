using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Collects what the machine is, without starting processes. What cannot be read stands in <c>Unread</c>, never as silence.</summary>
public sealed class HardwareCollector
{
    /// <param name="root">Where <c>proc</c>, <c>sys</c> and <c>etc</c> are found: <c>/</c>, or a recorded tree in tests.</param>
    public HardwareCollector(string root, TimeProvider time) => throw new NotSupportedException("not built yet");

    /// <exception cref="PlatformNotSupportedException">The message is <c>not implemented on &lt;os&gt;</c>.</exception>
    public HardwareInventory Collect(CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");
}

/// <summary>Lists installed packages from the dpkg and rpm databases.</summary>
public sealed class SoftwareCollector
{
    /// <param name="root">Where <c>var/lib/dpkg</c> and <c>var/lib/rpm</c> are found.</param>
    public SoftwareCollector(string root, TimeProvider time) => throw new NotSupportedException("not built yet");

    /// <exception cref="PlatformNotSupportedException">The message is <c>not implemented on &lt;os&gt;</c>.</exception>
    public Task<SoftwareInventory> CollectAsync(CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");
}
