namespace Capstan.Smb.Authentication;

/// <summary>The names of mechanisms, for messages ([MS-SPNG] 1.9).</summary>
internal static class MechanismNames
{
    public static string Of(string oid) => oid switch
    {
        NtlmMechanism.MechanismOid => "NTLM",
        "1.2.840.113554.1.2.2" or "1.2.840.48018.1.2.2" => "Kerberos",
        "1.2.840.113554.1.2.2.3" => "Kerberos user to user",
        "1.3.6.1.4.1.311.2.2.30" => "NEGOEX",
        "1.3.6.1.5.2.5" => "IAKerb",
        _ => oid,
    };
}
