using Microsoft.Extensions.DependencyInjection;

namespace Capstan.Site.Load;

internal static class LoaderServices
{
    public static IServiceCollection AddLoader(this IServiceCollection services) => services
        .AddSingleton<Enrolment>().AddSingleton<ReceiptWriter>().AddSingleton<InboxHealth>().AddSingleton<UploadReader>().AddSingleton<IngestWriter>()
        .AddSingleton<QuarantineFolder>().AddSingleton<InboxAftermath>().AddSingleton<InboxPass>().AddSingleton<InboxLoader>();
}
