using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Capstan.Site.Api;
using Capstan.Testing;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;

namespace Capstan.Tests.Site;

/// <summary>Whatever JSON is sent to whatever the API takes: it is refused by name, or done, and is never a failure of the site.</summary>
public sealed class ApiBodyTests(ApiEdgeTests.ServedSite site) : IClassFixture<ApiEdgeTests.ServedSite>
{
    private const int Deepest = 5;

    [Fact]
    public async Task No_body_makes_the_site_fail()
    {
        await using var harness = await SiteHarness.CreateAsync(new ManualTime());
        // What stands in the paths is there, as far as it can be.
        await site.Api.CreateCollectionAsync(new CollectionCreate("x"), TestContext.Current.CancellationToken);
        var sent = 0;
        var failed = new List<string>();
        foreach (var endpoint in harness.Endpoints.Where(endpoint => endpoint.Metadata.GetMetadata<ApiEndpoint>() is not null))
        {
            foreach (var method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Where(method => method is "POST" or "PUT") ?? [])
            {
                var body = endpoint.Metadata.GetMetadata<IAcceptsMetadata>()?.RequestType;
                foreach (var text in Bodies(body))
                {
                    using var request = new HttpRequestMessage(new HttpMethod(method), Path(endpoint.RoutePattern)) { Content = new StringContent(text, Encoding.UTF8, "application/json") };
                    using var answer = await site.Http.SendAsync(request, TestContext.Current.CancellationToken);
                    sent++;
                    if (answer.StatusCode == HttpStatusCode.InternalServerError)
                        failed.Add($"{method} {Path(endpoint.RoutePattern)} {text}");
                }
            }
        }
        Assert.True(failed.Count == 0, string.Join('\n', failed));
        Assert.True(sent > 300, $"{sent} requests");
    }

    /// <summary>Beyond what stops the generated bodies earlier.</summary>
    [Theory]
    [InlineData("api/v1/caps", """{"path":"MSWNET:\\\\fs1\\cap\\","account":{}}""")]
    [InlineData("api/v1/caps", """{"path":"MSWNET:\\\\fs1\\cap\\","account":{"name":"a"}}""")]
    [InlineData("api/v1/collections", """{"name":"a","members":[null]}""")]
    public async Task What_lacks_inside_is_refused(string path, string body)
    {
        using var answer = await site.Http.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    private static string Path(RoutePattern pattern) => string.Join('/', pattern.PathSegments.Select(segment => segment.Parts[0] is RoutePatternLiteralPart literal ? literal.Content : "x")) + "?name=x&program=x&cap=x";

    /// <summary>What a body is not, and then one of each member with each member in turn left out, null, of another type, and empty.</summary>
    private static IEnumerable<string> Bodies(Type? type)
    {
        foreach (var text in new[] { "", "null", "{}", "[]", "\"x\"", "1", "{", "{\"nobody\":1}" })
            yield return text;
        if (type is null || ApiJson.Default.GetTypeInfo(type) is null)
            yield break;
        yield return Full(type, 0)!.ToJsonString();
        foreach (var path in Paths(type, 0))
        {
            foreach (var replacement in new Func<JsonNode?>[] { () => null, () => new JsonArray(), () => new JsonArray((JsonNode?)null), () => new JsonObject(), () => JsonValue.Create(""), () => JsonValue.Create(-1) })
            {
                var body = Full(type, 0)!;
                Replace(body, path, replacement());
                yield return body.ToJsonString();
            }
        }
    }

    private static JsonNode? Full(Type type, int depth)
    {
        var bare = Nullable.GetUnderlyingType(type) ?? type;
        if (bare == typeof(string))
            return "x";
        if (bare == typeof(bool))
            return true;
        if (bare.IsPrimitive)
            return 1;
        if (bare == typeof(DateTimeOffset))
            return "2026-01-01T00:00:00Z";
        if (depth == Deepest || ApiJson.Default.GetTypeInfo(bare) is not { } info)
            return null;
        return info.Kind switch
        {
            JsonTypeInfoKind.Enumerable => new JsonArray(Full(info.ElementType!, depth + 1)),
            JsonTypeInfoKind.Object => new JsonObject(Settable(info).Select(property => KeyValuePair.Create(property.Name, Full(property.PropertyType, depth + 1)))),
            _ => null,
        };
    }

    private static IEnumerable<string[]> Paths(Type type, int depth)
    {
        if (depth == Deepest || ApiJson.Default.GetTypeInfo(Nullable.GetUnderlyingType(type) ?? type) is not { } info)
            yield break;
        if (info.Kind == JsonTypeInfoKind.Enumerable)
        {
            foreach (var rest in Paths(info.ElementType!, depth + 1))
                yield return ["0", .. rest];
        }
        else if (info.Kind == JsonTypeInfoKind.Object)
        {
            foreach (var property in Settable(info))
            {
                yield return [property.Name];
                foreach (var rest in Paths(property.PropertyType, depth + 1))
                    yield return [property.Name, .. rest];
            }
        }
    }

    private static IEnumerable<JsonPropertyInfo> Settable(JsonTypeInfo info) => info.Properties.Where(property => property.Set is not null || property.AssociatedParameter is not null);

    private static void Replace(JsonNode body, string[] path, JsonNode? by)
    {
        var at = body;
        foreach (var step in path[..^1])
        {
            if ((at is JsonArray list ? list[0] : at[step]) is not { } next)
                return;
            at = next;
        }
        if (at is JsonArray array)
            array[0] = by;
        else if (at is JsonObject parent)
            parent[path[^1]] = by;
    }
}
