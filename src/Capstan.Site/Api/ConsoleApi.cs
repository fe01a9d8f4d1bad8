namespace Capstan.Site.Api;

/// <summary>The console's client of this very site: through the public API and its token, like everybody else.</summary>
internal sealed class ConsoleApi(Func<Task<Uri>> listening, ApiToken token) : IDisposable
{
    private readonly Lock _gate = new();
    private (ApiClient Api, HttpClient Http)? _made;

    /// <summary>To be asked for while the site listens.</summary>
    public ApiClient Client
    {
        get
        {
            lock (_gate)
                return (_made ??= ApiClient.Create(listening() is { IsCompletedSuccessfully: true } ready
                    ? ready.Result
                    : throw new InvalidOperationException("The site does not listen yet."), token.Reveal())).Api;
        }
    }

    public void Dispose() => _made?.Http.Dispose();
}
