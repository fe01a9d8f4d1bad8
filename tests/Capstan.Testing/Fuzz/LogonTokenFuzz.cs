using Capstan.Smb;
using Capstan.Smb.Authentication;

namespace Capstan.Testing.Fuzz;

/// <summary>What a server sends in a logon, at each place where it can: any bytes end in a token or in the library's exception.</summary>
public static class LogonTokenFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        var bytes = data.ToArray();
        Try(context => context.Next(bytes));
        Try(context =>
        {
            context.Next([]);
            context.Next(bytes);
        });
        Try(context =>
        {
            context.Next([]);
            context.Finish(bytes);
        });
        // As the challenge itself, also where it came in SPNEGO.
        Try(context =>
        {
            context.Next([]);
            context.Next(SpnegoToken.WriteResp(bytes, []));
            context.Finish(bytes);
        });
    }

    private static void Try(Action<SpnegoContext> logOn)
    {
        using var context = new SpnegoContext(new NtlmMechanism(NtlmIdentity.Of(@".\fuzz", "fuzz"), "fuzz", "FUZZ", new NtlmNonces(new byte[8], new byte[16]), new ManualTime()));
        try
        {
            logOn(context);
        }
        catch (SmbException)
        {
            // refused, as it should be
        }
    }
}
