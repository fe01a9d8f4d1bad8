using System.Runtime.InteropServices;
using System.Text;

namespace Capstan.Smb.Authentication;

/// <summary>What Kerberos needs of the GSS-API in C (RFC 2744) and of MIT's extensions to it. Only for Linux: the layout of an OID is another elsewhere.</summary>
internal static unsafe partial class Gss
{
    /// <summary>MIT krb5. Heimdal's library has another name and is not used.</summary>
    public const string Library = "libgssapi_krb5.so.2";

    public const uint Complete = 0;
    public const uint ContinueNeeded = 1;

    /// <summary>GSS_C_MUTUAL_FLAG, _REPLAY_, _SEQUENCE_, _INTEG_.</summary>
    public const uint Mutual = 2;
    public const uint Replay = 4;
    public const uint Sequence = 8;
    public const uint Integrity = 32;

    public const int InitiateOnly = 1;

    /// <summary>GSS_C_GSS_CODE and GSS_C_MECH_CODE of gss_display_status.</summary>
    private const int MajorText = 1;
    private const int MinorText = 2;

    /// <summary>The contents octets of 1.2.840.113554.1.2.2.</summary>
    public static ReadOnlySpan<byte> KerberosOid => [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02];

    /// <summary>GSS_C_NT_HOSTBASED_SERVICE, 1.2.840.113554.1.2.1.4.</summary>
    public static ReadOnlySpan<byte> HostBasedService => [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x01, 0x04];

    /// <summary>GSS_KRB5_NT_PRINCIPAL_NAME, 1.2.840.113554.1.2.2.1.</summary>
    public static ReadOnlySpan<byte> PrincipalName => [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02, 0x01];

    /// <summary>GSS_C_INQ_SSPI_SESSION_KEY, 1.2.840.113554.1.2.2.5.5.</summary>
    public static ReadOnlySpan<byte> SessionKey => [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02, 0x05, 0x05];

    [StructLayout(LayoutKind.Sequential)]
    public struct Oid
    {
        public uint Length;
        public byte* Elements;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct OidSet
    {
        public nuint Count;
        public Oid* Elements;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Buffer
    {
        public nuint Length;
        public byte* Value;

        public readonly ReadOnlySpan<byte> Span => new(Value, checked((int)Length));
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct BufferSet
    {
        public nuint Count;
        public Buffer* Elements;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct KeyValue
    {
        public byte* Key;
        public byte* Value;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct KeyValueSet
    {
        public uint Count;
        public KeyValue* Elements;
    }

    /// <summary>The upper half of a major status holds its errors (RFC 2744 3.9.1); the lower only remarks.</summary>
    public static bool IsError(uint major) => major >> 16 != 0;

    [LibraryImport(Library, EntryPoint = "gss_import_name")]
    public static partial uint ImportName(out uint minor, in Buffer text, in Oid type, out nint name);

    [LibraryImport(Library, EntryPoint = "gss_release_name")]
    public static partial uint ReleaseName(out uint minor, ref nint name);

    [LibraryImport(Library, EntryPoint = "gss_acquire_cred_from")]
    public static partial uint AcquireCredentials(out uint minor, nint name, uint lifetime, in OidSet mechanisms, int usage, KeyValueSet* store, out nint credentials, nint actual, nint remaining);

    [LibraryImport(Library, EntryPoint = "gss_release_cred")]
    public static partial uint ReleaseCredentials(out uint minor, ref nint credentials);

    [LibraryImport(Library, EntryPoint = "gss_init_sec_context")]
    public static partial uint InitSecurityContext(out uint minor, nint credentials, ref nint context, nint target, in Oid mechanism, uint flags, uint lifetime,
        nint channelBindings, in Buffer input, nint actual, out Buffer output, out uint actualFlags, nint remaining);

    [LibraryImport(Library, EntryPoint = "gss_delete_sec_context")]
    public static partial uint DeleteSecurityContext(out uint minor, ref nint context, nint output);

    [LibraryImport(Library, EntryPoint = "gss_inquire_sec_context_by_oid")]
    public static partial uint InquireSecurityContext(out uint minor, nint context, in Oid what, out BufferSet* values);

    [LibraryImport(Library, EntryPoint = "gss_release_buffer_set")]
    public static partial uint ReleaseBufferSet(out uint minor, ref BufferSet* values);

    [LibraryImport(Library, EntryPoint = "gss_get_mic")]
    public static partial uint GetMic(out uint minor, nint context, uint quality, in Buffer message, out Buffer mic);

    [LibraryImport(Library, EntryPoint = "gss_verify_mic")]
    public static partial uint VerifyMic(out uint minor, nint context, in Buffer message, in Buffer mic, out uint quality);

    [LibraryImport(Library, EntryPoint = "gss_release_buffer")]
    public static partial uint ReleaseBuffer(out uint minor, ref Buffer buffer);

    [LibraryImport(Library, EntryPoint = "gss_display_status")]
    private static partial uint DisplayStatus(out uint minor, uint value, int type, in Oid mechanism, ref uint more, out Buffer text);

    /// <summary>Copies what the library allocated, and gives it back.</summary>
    public static byte[] Take(ref Buffer buffer)
    {
        var bytes = buffer.Span.ToArray();
        ReleaseBuffer(out _, ref buffer);
        return bytes;
    }

    /// <summary>What the library says of a failure: of the mechanism when it says something, else in general.</summary>
    public static string Describe(uint major, uint minor)
    {
        var text = minor == 0 ? "" : Text(minor, MinorText);
        return text.Length > 0 ? text : Text(major, MajorText);
    }

    private static string Text(uint value, int type)
    {
        List<string> parts = [];
        fixed (byte* elements = KerberosOid)
        {
            var mechanism = new Oid { Length = (uint)KerberosOid.Length, Elements = elements };
            uint more = 0;
            do
            {
                if (IsError(DisplayStatus(out _, value, type, mechanism, ref more, out var text)))
                    break;
                parts.Add(Encoding.UTF8.GetString(Take(ref text)));
            }
            while (more != 0 && parts.Count < 8);
        }

        return string.Join("; ", parts);
    }
}
