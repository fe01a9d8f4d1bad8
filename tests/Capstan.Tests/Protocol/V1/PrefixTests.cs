using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Tests.Golden;

namespace Capstan.Tests.Protocol.V1;

/// <summary>Each byte prefix of each document, as storage or a torn write leaves it: refused whole. Metadata, sealed uploads and receipts have theirs beside their codecs.</summary>
public sealed class PrefixTests
{
    private static readonly IReadOnlyDictionary<string, (byte[] Whole, Action<byte[]> Decode)> s_documents = new Dictionary<string, (byte[], Action<byte[]>)>(StringComparer.Ordinal)
    {
        [nameof(Documents.SiteDescription)] = Of(Documents.SiteDescription, Examples.SiteDescription),
        [nameof(Documents.CapList)] = Of(Documents.CapList, Examples.CapList),
        [nameof(Documents.Policy)] = Of(Documents.Policy, Examples.Policy),
        [nameof(Documents.PolicySecrets)] = Of(Documents.PolicySecrets, Examples.PolicySecrets),
        [nameof(Documents.ClientBuilds)] = Of(Documents.ClientBuilds, Examples.ClientBuilds),
        [nameof(Documents.PackageManifest)] = Of(Documents.PackageManifest, Examples.PackageManifest),
        [nameof(Documents.Receipts)] = Of(Documents.Receipts, Examples.Receipts),
        [nameof(Documents.EnrolmentToken)] = Of(Documents.EnrolmentToken, Examples.EnrolmentToken),
        [nameof(Documents.Upload)] = Of(Documents.Upload, Examples.Upload),
        [nameof(Documents.ConfigurationRequest)] = Of(Documents.ConfigurationRequest, Examples.ConfigurationRequest),
        [nameof(Documents.Heartbeat)] = Of(Documents.Heartbeat, Examples.Heartbeat),
        [nameof(Documents.StatusMessage)] = Of(Documents.StatusMessage, Examples.StatusMessage),
        [nameof(Documents.HardwareInventory)] = Of(Documents.HardwareInventory, Examples.HardwareInventory),
        [nameof(Documents.SoftwareInventory)] = Of(Documents.SoftwareInventory, Examples.SoftwareInventory),
        [nameof(Documents.CapUse)] = Of(Documents.CapUse, Examples.CapUse),
        [nameof(Documents.SealingKeyChange)] = Of(Documents.SealingKeyChange, Examples.SealingKeyChange),
        [nameof(Documents.Diagnosis)] = Of(Documents.Diagnosis, Examples.Diagnosis),
        [nameof(Documents.Advertisement)] = Of(Documents.Advertisement, Examples.Advertisement),
        [nameof(Documents.ProgramsReport)] = Of(Documents.ProgramsReport, Examples.ProgramsReport),
        [nameof(Documents.Departure)] = Of(Documents.Departure, Examples.Departure),
    };

    public static TheoryData<string> Names => [.. s_documents.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_prefix_of_a_document_is_refused(string name)
    {
        var (whole, decode) = s_documents[name];
        decode(whole);
        for (var length = 0; length < whole.Length; length++)
            Assert.Throws<ProtocolException>(() => decode(whole[..length]));
    }

    /// <summary>A kind of document that is added later is in this table, too.</summary>
    [Fact]
    public void No_kind_of_document_is_left_out() =>
        Assert.Equal(typeof(Documents).GetProperties().Where(property => property.PropertyType.IsGenericType && property.PropertyType.GetGenericTypeDefinition() == typeof(DocumentKind<>))
            .Select(property => property.Name).Order(StringComparer.Ordinal), s_documents.Keys.Order(StringComparer.Ordinal));

    [Fact]
    public void Every_prefix_of_a_token_is_refused()
    {
        var text = Examples.EnrolmentToken.Encode();
        for (var length = 0; length < text.Length; length++)
            Assert.Throws<ProtocolException>(() => EnrolmentToken.Decode(text[..length]));
    }

    [Fact]
    public void Every_prefix_of_sealed_secrets_is_refused()
    {
        using var key = FixedKeys.DeviceSealing.Sealing();
        var text = Encoding.ASCII.GetString(GoldenFile.Read("policy-secrets.jwe", () => []));
        PolicySecretsCodec.Open(text, key);
        for (var length = 0; length < text.Length; length++)
            Assert.Throws<ProtocolException>(() => PolicySecretsCodec.Open(text[..length], key));
    }

    private static (byte[] Whole, Action<byte[]> Decode) Of<T>(DocumentKind<T> kind, T example) where T : class => (kind.Encode(example), bytes => kind.Decode(bytes));
}
