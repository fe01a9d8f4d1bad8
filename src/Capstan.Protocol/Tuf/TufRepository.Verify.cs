namespace Capstan.Protocol.Tuf;

public sealed partial class TufRepository
{
    /// <summary>The highest version that a CAP verifiably shows, for <see cref="Publish"/>: that of its timestamp, when keys that follow from our root signed it.</summary>
    /// <returns>0 when there is no timestamp, or none that verifies: a torn one, another site's, one by revoked keys.</returns>
    /// <remarks>Roots newer than ours (this state is older than the CAP: a restored backup) are followed. Expiry plays no part.</remarks>
    public async ValueTask<long> VerifiedVersionAsync(ITufSource source, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        var trusted = TrustedMetadata.Begin(_roots[^1], TufRole.File(TufRole.Root, RootVersion));
        try
        {
            for (var count = 0; count < TufLimits.RootsPerRun; count++)
            {
                var path = TufRole.File(TufRole.Root, trusted.Root.Version + 1);
                if (await source.ReadAsync(path, TufLimits.RootBytes, cancellationToken) is not { } root)
                    break;
                trusted.AcceptRoot(root, path);
            }
            if (await source.ReadAsync(TufRole.TimestampFile, TufLimits.TimestampBytes, cancellationToken) is not { } timestamp)
                return 0;
            trusted.AcceptTimestamp(timestamp, TufRole.TimestampFile);
            return trusted.Timestamp!.Version;
        }
        catch (ProtocolException)
        {
            // Whatever cannot be verified binds no client either, so it binds no version.
            return 0;
        }
    }
}
