namespace Capstan.Client.Inventory;

internal static class Platform
{
    /// <exception cref="PlatformNotSupportedException">The message is <c>not implemented on &lt;os&gt;</c>.</exception>
    public static void RequireLinux()
    {
        if (!OperatingSystem.IsLinux())
        {
            var name = OperatingSystem.IsWindows() ? "Windows" : OperatingSystem.IsMacOS() ? "macOS" : Environment.OSVersion.Platform.ToString();
            throw new PlatformNotSupportedException($"not implemented on {name}");
        }
    }
}
