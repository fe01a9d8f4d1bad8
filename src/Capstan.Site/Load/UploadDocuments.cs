using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Site.Load;

/// <summary>The documents inside one verified upload, decoded on every core before the one writer has it.</summary>
/// <param name="Items">Each item with its document; null for a kind that this site does not know. Ends before the first that cannot be decoded.</param>
/// <param name="Fault">Why decoding ended; it counts when the record's turn in its chain has come.</param>
internal sealed record UploadDocuments(IReadOnlyList<(UploadItem Item, object? Document)> Items, ProtocolException? Fault)
{
    /// <summary>The request to become a client; null for none.</summary>
    public ConfigurationRequest? Request => Items.Select(item => item.Document).OfType<ConfigurationRequest>().FirstOrDefault();

    /// <summary>The word that the device leaves this site; null for none.</summary>
    public Departure? Departure => Items.Select(item => item.Document).OfType<Departure>().FirstOrDefault();

    public static UploadDocuments Of(Upload upload)
    {
        var items = new List<(UploadItem, object?)>(upload.Items.Count);
        try
        {
            foreach (var item in upload.Items)
                items.Add((item, Decode(item)));
            return new UploadDocuments(items, null);
        }
        catch (ProtocolException fault)
        {
            return new UploadDocuments(items, fault);
        }
    }

    private static object? Decode(UploadItem item) => item.Kind switch
    {
        ItemKind.ConfigurationRequest => Documents.ConfigurationRequest.Decode(item),
        ItemKind.Heartbeat => Documents.Heartbeat.Decode(item),
        ItemKind.HardwareInventory => Documents.HardwareInventory.Decode(item),
        ItemKind.SoftwareInventory => Documents.SoftwareInventory.Decode(item),
        ItemKind.CapUse => Documents.CapUse.Decode(item),
        ItemKind.SealingKey => Documents.SealingKeyChange.Decode(item),
        ItemKind.Diagnosis => Documents.Diagnosis.Decode(item),
        ItemKind.Departure => Documents.Departure.Decode(item),
        ItemKind.Programs => Documents.ProgramsReport.Decode(item),
        ItemKind.Status => Documents.StatusMessage.Decode(item),
        _ => null,
    };
}
