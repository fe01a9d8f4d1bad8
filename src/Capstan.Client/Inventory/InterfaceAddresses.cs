using System.Net;
using System.Runtime.InteropServices;

namespace Capstan.Client.Inventory;

/// <summary>All IPv4 and IPv6 addresses of this process's network namespace, by interface: getifaddrs(3).</summary>
internal static partial class InterfaceAddresses
{
    private const int AddressFamilyInet = 2;
    private const int AddressFamilyInet6 = 10;

    /// <exception cref="IOException">The kernel refuses.</exception>
    public static unsafe Dictionary<string, SortedSet<string>> Read()
    {
        nint head = 0;
        if (GetInterfaceAddresses(&head) != 0)
        {
            throw new IOException($"getifaddrs: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        }
        try
        {
            var result = new Dictionary<string, SortedSet<string>>(StringComparer.Ordinal);
            for (var entry = (Entry*)head; entry != null; entry = entry->Next)
            {
                if (entry->Address == null || AddressOf(entry->Address) is not { } address || Marshal.PtrToStringUTF8((nint)entry->Name) is not { } label)
                {
                    continue;
                }
                // An old-style alias (eth0:1) is a label of an address of eth0.
                var colon = label.IndexOf(':', StringComparison.Ordinal);
                var name = colon < 0 ? label : label[..colon];
                if (!result.TryGetValue(name, out var addresses))
                {
                    result.Add(name, addresses = new SortedSet<string>(StringComparer.Ordinal));
                }
                addresses.Add(address);
            }
            return result;
        }
        finally
        {
            FreeInterfaceAddresses(head);
        }
    }

    /// <summary>sockaddr_in has the address at byte 4, sockaddr_in6 at byte 8; the family comes first in both.</summary>
    private static unsafe string? AddressOf(byte* address) => *(ushort*)address switch
    {
        AddressFamilyInet => new IPAddress(new ReadOnlySpan<byte>(address + 4, 4)).ToString(),
        AddressFamilyInet6 => new IPAddress(new ReadOnlySpan<byte>(address + 8, 16)).ToString(),
        _ => null,
    };

    /// <summary>The head of struct ifaddrs, the same in glibc and musl.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct Entry
    {
        public Entry* Next;
        public byte* Name;
        public uint Flags;
        public byte* Address;
    }

    [LibraryImport("libc", EntryPoint = "getifaddrs", SetLastError = true)]
    private static unsafe partial int GetInterfaceAddresses(nint* head);

    [LibraryImport("libc", EntryPoint = "freeifaddrs")]
    private static partial void FreeInterfaceAddresses(nint head);
}
