using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Local;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;

namespace Capstan.Bench.Fleet;

/// <summary>The test's site on the folder of a share, at the server's own disk: it takes none of the connections that are measured, and says how long they are held.</summary>
internal sealed class ApprovingSite : IDisposable
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    private readonly TestSite _site;
    private readonly CapEntry _cap;
    private readonly HashSet<string> _approved = new(StringComparer.Ordinal);

    private ApprovingSite(TestSite site, CapEntry cap) => (_site, _cap) = (site, cap);

    /// <param name="folder">Of the share.</param>
    /// <param name="cap">As clients reach it, with its licensing and what is published of its pace.</param>
    public static async Task<ApprovingSite> PublishAsync(string folder, CapEntry cap, CancellationToken cancellationToken)
    {
        var place = NalPath.FromDirectory(folder);
        var connection = await new LocalProvider(TimeProvider.System).ConnectAsync(new ConnectRequest(place, null, null), cancellationToken);
        var site = new TestSite(await connection.OpenAsync(place, cancellationToken), TimeProvider.System);
        site.Describe(cap);
        await site.PublishAsync(cancellationToken);
        return new ApprovingSite(site, cap);
    }

    public EnrolmentToken Token(AccountSecret account) => EnrolmentToken.Decode(_site.Token(_cap.Path, accounts: [account]));

    /// <summary>Takes in what arrives and approves who asks, until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            await _site.DrainAsync(CancellationToken.None);
            var asked = _site.Applied.Where(upload => _approved.Add(upload.DeviceId)).ToList();
            foreach (var upload in asked)
                _site.SetPolicy(Documents.ConfigurationRequest.Decode(upload.Items.First(item => item.Kind == ItemKind.ConfigurationRequest)), ordinal: _approved.Count - asked.Count + asked.IndexOf(upload));
            if (asked.Count > 0)
                await _site.PublishAsync(CancellationToken.None);
            await Task.Delay(s_pause, TimeProvider.System, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose() => _site.Dispose();
}
