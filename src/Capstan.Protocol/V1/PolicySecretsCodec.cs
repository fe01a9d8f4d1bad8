using System.Security.Cryptography;
using Capstan.Protocol.Jose;

namespace Capstan.Protocol.V1;

/// <summary><see cref="PolicySecrets"/> ⇄ <see cref="Policy.Secrets"/>: a JWE to the device's sealing key. Pure; thread-safe.</summary>
/// <remarks>Not signed by itself: the policy that holds it is.</remarks>
public static class PolicySecretsCodec
{
    private const string ContentType = "capstan-secrets";

    /// <exception cref="ProtocolException">Nobody would accept these secrets: all problems in one message, without the secrets.</exception>
    public static string Seal(PolicySecrets secrets, Jwk deviceSealingKey)
    {
        ArgumentNullException.ThrowIfNull(deviceSealingKey);
        var json = Documents.PolicySecrets.Encode(secrets);
        try
        {
            return Jwe.Seal(json, deviceSealingKey, ContentType);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(json);
        }
    }

    /// <exception cref="ProtocolException"/>
    public static PolicySecrets Open(string secrets, ECDiffieHellman deviceSealingKey)
    {
        ArgumentNullException.ThrowIfNull(secrets);
        ArgumentNullException.ThrowIfNull(deviceSealingKey);
        var json = Jwe.Open(secrets, deviceSealingKey, ContentType);
        try
        {
            return Documents.PolicySecrets.Decode(json);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(json);
        }
    }
}
