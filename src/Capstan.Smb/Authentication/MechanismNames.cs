namespace Capstan.Smb.Authentication;

/// <summary>What mechanisms are called ([MS-SPNG] 1.9).</summary>
internal static class MechanismNames
{
    /// <summary>Kerberos with a digit cut off, as Windows 2000 wrote it by mistake and every Windows since offers it first. It means Kerberos.</summary>
    private const string KerberosMisspelt = "1.2.840.48018.1.2.2";

    /// <summary>Whether two identifiers mean the same mechanism.</summary>
    public static bool AreSame(string oid, string other) => Spelt(oid) == Spelt(other);

    /// <summary>For messages.</summary>
    public static string Of(string oid) => Spelt(oid) switch
    {
        NtlmMechanism.MechanismOid => "NTLM",
        KerberosMechanism.MechanismOid => "Kerberos",
        "1.2.840.113554.1.2.2.3" => "Kerberos user to user",
        "1.3.6.1.4.1.311.2.2.30" => "NEGOEX",
        "1.3.6.1.5.2.5" => "IAKerb",
        _ => oid,
    };

    private static string Spelt(string oid) => oid == KerberosMisspelt ? KerberosMechanism.MechanismOid : oid;
}
