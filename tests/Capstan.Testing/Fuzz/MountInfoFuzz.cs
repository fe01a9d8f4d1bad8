using System.Text;
using Capstan.Client.Inventory;

namespace Capstan.Testing.Fuzz;

/// <summary>Mount points are chosen by users: any text there gives bounded mounts, and what is storage is among the mounts.</summary>
public static class MountInfoFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        var mounts = MountInfo.Parse(Encoding.UTF8.GetString(data));
        foreach (var mount in mounts)
        {
            FuzzFacts.Check(mount.DeviceId, mount.Root, mount.MountPoint, mount.Type, mount.Source);
        }
        foreach (var mount in MountInfo.Storage(mounts))
        {
            if (!mounts.Contains(mount))
            {
                throw new InvalidOperationException($"{mount} was never mounted");
            }
        }
    }
}
