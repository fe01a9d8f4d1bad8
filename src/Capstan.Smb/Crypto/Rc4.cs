using System.Security.Cryptography;

namespace Capstan.Smb.Crypto;

/// <summary>The stream cipher RC4, which the base library does not have. Broken as a cipher; NTLM wraps its key and its signatures in it ([MS-NLMP] 3.1.5.1.2, 3.4.4.2).
/// Keeps its place in the stream from call to call. Not thread-safe.</summary>
internal sealed class Rc4 : IDisposable
{
    private readonly byte[] _state = new byte[256];
    private byte _i;
    private byte _j;

    /// <param name="key">1 to 256 bytes.</param>
    public Rc4(ReadOnlySpan<byte> key)
    {
        if (key.IsEmpty || key.Length > _state.Length)
            throw new ArgumentException($"a key has 1 to {_state.Length} bytes, not {key.Length}", nameof(key));
        for (var i = 0; i < _state.Length; i++)
            _state[i] = (byte)i;
        byte j = 0;
        for (var i = 0; i < _state.Length; i++)
        {
            j += (byte)(_state[i] + key[i % key.Length]);
            (_state[i], _state[j]) = (_state[j], _state[i]);
        }
    }

    /// <summary>Encrypts or decrypts; <paramref name="output"/> may be the same memory as <paramref name="input"/> and must be as long.</summary>
    public void Transform(ReadOnlySpan<byte> input, Span<byte> output)
    {
        for (var at = 0; at < input.Length; at++)
        {
            _j += _state[++_i];
            (_state[_i], _state[_j]) = (_state[_j], _state[_i]);
            output[at] = (byte)(input[at] ^ _state[(byte)(_state[_i] + _state[_j])]);
        }
    }

    /// <summary>One message under one key, as NTLM's RC4K ([MS-NLMP] 6).</summary>
    public static byte[] Once(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input)
    {
        using var cipher = new Rc4(key);
        var output = new byte[input.Length];
        cipher.Transform(input, output);
        return output;
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(_state);
}
