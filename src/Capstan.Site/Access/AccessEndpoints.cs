using Capstan.Site.Api;
using Capstan.Site.Console;
using Capstan.Site.Console.Pages;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Access;

/// <summary>Users, sessions and the audit log in the API; signing in and out in the console.</summary>
internal static class AccessEndpoints
{
    public static void MapAccess(this IEndpointRouteBuilder api)
    {
        api.MapGet("/users", async (Users users, CancellationToken cancellationToken) =>
            Results.Json([.. (await users.ListAsync(cancellationToken)).Select(Row)], ApiJson.Default.IReadOnlyListUserRow)).Produces<IReadOnlyList<UserRow>>().WithMetadata(NeedsRole.Administrator);
        api.MapPost("/users", AddAsync).Produces(201).Produces<Problem>(400).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapPut("/users/{name}", ChangeAsync).Produces(204).Produces<Problem>(400).Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/users/{name}", async (Users users, string name, CancellationToken cancellationToken) =>
            await users.RemoveAsync(name, cancellationToken) ? Results.NoContent() : NoUser(name)).Produces(204).Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapPost("/sessions", BeginAsync).Produces<SessionBegun>(201).Produces<Problem>(401).Produces<Problem>(429).WithMetadata(PublicEndpoint.Mark);
        api.MapGet("/audit", AuditAsync).Produces<Page<AuditRow>>().WithMetadata(NeedsRole.Administrator);
    }

    public static void MapSignIn(this IEndpointRouteBuilder app, TimeProvider time)
    {
        var pages = app.MapGroup("").ExcludeFromDescription().AddEndpointFilter(new ConsoleFilter(time)).WithMetadata(PublicEndpoint.Mark);
        pages.MapGet("/sign-in", async (Users users, string? to, CancellationToken cancellationToken) => await PageAsync(users, to, null, null, StatusCodes.Status200OK, time, cancellationToken));
        pages.MapPost("/sign-in", (HttpContext http, Users users, SignIns signIns, CancellationToken cancellationToken) => SignInAsync(http, users, signIns, time, cancellationToken));
        pages.MapPost("/sign-out", SignOutAsync);
    }

    private static UserRow Row(UserRecord user) => new(user.Name, user.Role, Times.At(user.CreatedAt), Times.At(user.ChangedAt));

    private static async Task<IResult> AddAsync(HttpContext http, Users users, UserAdd user, CancellationToken cancellationToken)
    {
        AccessGuard.About(http, $"{user.Name} as {user.Role}");
        if (Roles.Parse(user.Role) is not { } role)
            return Problems.Invalid($"role must be {Roles.All}.");
        if ((Users.NameFault(user.Name) ?? Users.PasswordFault(user.Password)) is { } fault)
            return Problems.Invalid(fault);
        await users.AddAsync(user.Name, role, user.Password, cancellationToken);
        return Results.StatusCode(StatusCodes.Status201Created);
    }

    private static async Task<IResult> ChangeAsync(HttpContext http, Users users, string name, UserChange change, CancellationToken cancellationToken)
    {
        AccessGuard.About(http, $"{name}{(change.Role is null ? "" : $" to {change.Role}")}{(change.Password is null ? "" : ", new password")}");
        if (change.Role is not null && Roles.Parse(change.Role) is null)
            return Problems.Invalid($"role must be {Roles.All}.");
        if (change.Password is not null && Users.PasswordFault(change.Password) is { } fault)
            return Problems.Invalid(fault);
        return await users.ChangeAsync(name, Roles.Parse(change.Role), change.Password, cancellationToken) ? Results.NoContent() : NoUser(name);
    }

    private static async Task<IResult> BeginAsync(HttpContext http, SignIns signIns, TimeProvider time, SessionRequest request, CancellationToken cancellationToken)
    {
        var done = await signIns.SignInAsync(request.Name, request.Password, AccessGuard.AddressOf(http), cancellationToken);
        if (done.Token is { } token)
            return Results.Json(new SessionBegun(token, Roles.Name(done.Caller!.Role), time.GetUtcNow() + Users.SessionLimit), ApiJson.Default.SessionBegun, statusCode: StatusCodes.Status201Created);
        return Problems.Of(StatusOf(done), done.Wait > TimeSpan.Zero ? "too_many_attempts" : "sign_in_failed", Refusal(done));
    }

    private static async Task<IResult> AuditAsync(AuditStore audit, string? cursor, int? limit, CancellationToken cancellationToken)
    {
        if (Paging.Read(limit, cursor) is not { } page)
            return Paging.Refuse();
        var rows = await audit.ListAsync(page.Cursor, page.Limit + 1, cancellationToken);
        return Results.Json(Paging.Of(rows, page.Limit, row => row.Id), ApiJson.Default.PageAuditRow);
    }

    private static async Task<IResult> SignInAsync(HttpContext http, Users users, SignIns signIns, TimeProvider time, CancellationToken cancellationToken)
    {
        if (!AccessGuard.IsOfThisSite(http.Request) || !http.Request.HasFormContentType)
            return await PageAsync(users, to: null, name: null, "Please use the form on this page.", StatusCodes.Status400BadRequest, time, cancellationToken);
        var form = await http.Request.ReadFormAsync(cancellationToken);
        var (name, password, to) = (form["name"].ToString().Trim(), form["password"].ToString(), form["to"].ToString());
        var done = await signIns.SignInAsync(name, password, AccessGuard.AddressOf(http), cancellationToken);
        if (done.Token is not { } token)
            return await PageAsync(users, to, name, Refusal(done), StatusOf(done), time, cancellationToken);
        SessionCookie.Write(http, token);
        return See(IsPlaceHere(to) ? to : "/");
    }

    private static async Task<IResult> SignOutAsync(HttpContext http, Users users, CancellationToken cancellationToken)
    {
        if (AccessGuard.IsOfThisSite(http.Request) && SessionCookie.Read(http) is { } token && await users.FindAsync(token, cancellationToken) is { } caller)
        {
            await users.SignOutAsync(token, caller, AccessGuard.AddressOf(http), cancellationToken);
            SessionCookie.Remove(http);
        }
        return See("/sign-in");
    }

    /// <summary>An address of this site: a path, and nothing that a browser would take for another host.</summary>
    private static bool IsPlaceHere(string? to) => to is ['/', ..] && to is not ['/', '/' or '\\', ..] && !to.Any(char.IsControl) && !to.Contains('\\', StringComparison.Ordinal);

    /// <summary>After a form: the browser goes on with a plain request (303), so that nothing is sent twice.</summary>
    private static SeeOther See(string place) => new SeeOther(place);

    private static async Task<IResult> PageAsync(Users users, string? to, string? name, string? refusal, int status, TimeProvider time, CancellationToken cancellationToken) =>
        ConsoleEndpoints.Page<SignInPage>(new { To = IsPlaceHere(to) ? to : "/", Name = name, Refusal = refusal, HasUsers = await users.AnyAsync(cancellationToken), Now = time.GetUtcNow() }, status);

    private static int StatusOf(SignIn done) => done.Wait > TimeSpan.Zero ? StatusCodes.Status429TooManyRequests : StatusCodes.Status401Unauthorized;

    private static string Refusal(SignIn done) => done.Wait > TimeSpan.Zero
        ? $"Too many attempts. The next one is looked at in {Display.Duration(done.Wait)}."
        : "There is no user with this name and password.";

    private static IResult NoUser(string name) => Problems.NotFound($"There is no user {name}.");

    private sealed class SeeOther(string place) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.StatusCode = StatusCodes.Status303SeeOther;
            httpContext.Response.Headers.Location = place;
            return Task.CompletedTask;
        }
    }
}
