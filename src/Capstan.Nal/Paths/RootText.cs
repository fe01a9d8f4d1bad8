using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Capstan.Nal.Paths;

/// <summary>The root of a path: <c>host</c>, <c>host:port</c>, <c>[address]:port</c>, or a plain name.</summary>
internal static class RootText
{
    private static readonly System.Buffers.SearchValues<char> AddressCharacters = System.Buffers.SearchValues.Create("0123456789abcdefABCDEF:.");

    /// <summary>Reads a root as it stands, without escapes.</summary>
    public static NalPathFault? Read(PathSyntax syntax, string text, out string root, out int? port)
    {
        port = null;
        if (syntax.Root == RootKind.Name)
        {
            root = text;
            return PathSyntax.FaultInName(text);
        }
        if (!text.StartsWith('[') && text.IndexOf(':', StringComparison.Ordinal) != text.LastIndexOf(':'))
        {
            root = "";
            return new(0, "an IPv6 address in brackets, [::1], or one port");
        }
        var end = text.StartsWith('[') ? text.IndexOf(']', StringComparison.Ordinal) + 1 : text.IndexOf(':', StringComparison.Ordinal);
        if (text.StartsWith('[') && end == 0)
        {
            root = "";
            return new(text.Length, "] after the IPv6 address");
        }
        var host = end < 0 ? text : text[..end];
        return ReadHost(host, out root) ?? (host.Length == text.Length ? null : ReadPort(syntax, text, host.Length, out port));
    }

    /// <summary>The host as it is written before a port: an IPv6 address in brackets.</summary>
    public static string Write(string root, int? port)
    {
        var host = IsAddress(root) ? $"[{root}]" : root;
        return port is { } number ? string.Create(CultureInfo.InvariantCulture, $"{host}:{number}") : host;
    }

    /// <summary>True for an address of IPv6; no host name holds a colon.</summary>
    public static bool IsAddress(string host) => host.Contains(':', StringComparison.Ordinal);

    private static NalPathFault? ReadHost(string host, out string root)
    {
        root = host.ToLowerInvariant();
        if (!host.StartsWith('['))
            return PathSyntax.FaultInHost(host);
        // A zone (%eth0) means something on one machine only; paths travel.
        if (host.AsSpan(1, host.Length - 2).ContainsAnyExcept(AddressCharacters)
            || !IPAddress.TryParse(host[1..^1], out var address) || address.AddressFamily != AddressFamily.InterNetworkV6)
            return new(1, "an IPv6 address without a zone");
        root = address.ToString();
        return null;
    }

    private static NalPathFault? ReadPort(PathSyntax syntax, string text, int colon, out int? port)
    {
        port = null;
        if (text[colon] != ':')
            return new(colon, "a colon and a port, or the end of the server name");
        var digits = text.AsSpan(colon + 1);
        if (!int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > 65535)
            return new(colon + 1, "a port from 1 to 65535");
        port = number == syntax.DefaultPort ? null : number;
        return null;
    }
}
