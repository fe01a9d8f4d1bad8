using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Load;
using Capstan.Site.Store;
using Capstan.Testing;

namespace Capstan.Tests.Site;

/// <summary>A machine that gave up an identity is approved by it, and so by whoever holds its key: how far that goes.</summary>
public sealed class SeparatedDevicesTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private readonly List<FakeDevice> _made = [];
    private SiteHarness _site = null!;
    private FakeDevice _original = null!;
    private EnrolmentToken _spent = null!;
    private int _names;

    public async ValueTask InitializeAsync()
    {
        _site = await SiteHarness.CreateAsync(_time);
        await _site.AddCapAsync();
        _original = await _site.EnrolAsync("original");
        _spent = await _site.TokenAsync() with { TokenId = ConfigurationRequest.NoToken, Secret = ConfigurationRequest.NoToken };
    }

    public async ValueTask DisposeAsync()
    {
        _original.Dispose();
        foreach (var device in _made)
            device.Dispose();
        await _site.DisposeAsync();
    }

    [Fact]
    public async Task One_key_makes_16_others_a_day_and_the_rest_wait_for_a_person()
    {
        for (var n = 0; n < 18; n++)
            await MintAsync(_original);
        Assert.Equal(Enumerable.Repeat("approved", 16).Concat(["pending", "pending"]), await StatesAsync());
        Assert.Contains("more than 16", await TextAsync(_made[^1]), StringComparison.Ordinal);

        _time.Advance(TimeSpan.FromHours(25));
        await MintAsync(_original);
        Assert.Equal("approved", (await StatesAsync())[^1]);
    }

    [Fact]
    public async Task What_was_made_of_a_copy_counts_as_made_of_the_original()
    {
        var last = _original;
        for (var n = 0; n < 18; n++)
            last = (await StateOfAsync(await MintAsync(last))) == "approved" ? _made[^1] : last;
        Assert.Equal(16, (await StatesAsync()).Count(state => state == "approved"));
    }

    [Fact]
    public async Task A_copy_of_a_machine_that_is_retired_makes_none()
    {
        var copy = await MintAsync(_original);
        await RetireAsync(_original);
        await MintAsync(copy);
        Assert.Equal(["approved", "pending"], await StatesAsync());
        Assert.Contains("is retired", await TextAsync(_made[^1]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_retirement_names_the_clients_that_were_copies_of_the_machine()
    {
        var copy = await MintAsync(_original);
        var ofCopy = await MintAsync(copy);
        await RetireAsync(_original);
        var text = await TextAsync(_original);
        Assert.Contains(copy.Id.Fingerprint, text, StringComparison.Ordinal);
        Assert.Contains(ofCopy.Id.Fingerprint, text, StringComparison.Ordinal);
        await RetireAsync(copy);
        Assert.Contains(ofCopy.Id.Fingerprint, await TextAsync(copy), StringComparison.Ordinal);
        await RetireAsync(ofCopy);
        Assert.Equal("Retired by an administrator.", await TextAsync(ofCopy));
    }

    /// <summary>Lets a key say that another machine has its identity, too, and that one ask under a new one.</summary>
    private async Task<FakeDevice> MintAsync(FakeDevice by)
    {
        var (own, name) = (by.InstallNonce, $"name-{++_names}");
        foreach (var speaker in new[] { own, name, own })
        {
            by.InstallNonce = speaker;
            await _site.TakeInAsync(by, by.Heartbeat());
        }
        var next = new FakeDevice(_site.Context, $"copy-{_names}");
        _made.Add(next);
        await _site.TakeInAsync(next, next.Request(_spent, FormerIdentity.Of(by.Key, "ABC", next.Id, name)));
        return next;
    }

    private async Task RetireAsync(FakeDevice device) => Assert.True(await _site.Get<Enrolment>().RetireAsync(device.Id.Value, CancellationToken.None));

    private async Task<string> StateOfAsync(FakeDevice device) => (await _site.ClientAsync(device)).State;

    private async Task<IReadOnlyList<string>> StatesAsync()
    {
        var states = new List<string>();
        foreach (var device in _made)
            states.Add(await StateOfAsync(device));
        return states;
    }

    /// <summary>The last message about its enrolment.</summary>
    private async Task<string> TextAsync(FakeDevice device) =>
        (await _site.Get<StatusStore>().ListAsync(device.Id.Value, null, null, 100, CancellationToken.None)).First(message => message.Component == "enrolment").Text;
}
