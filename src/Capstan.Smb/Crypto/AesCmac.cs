using System.Security.Cryptography;

namespace Capstan.Smb.Crypto;

/// <summary>AES-CMAC (RFC 4493), which the base library does not have: AES-CBC over the message, whose last block is changed by a subkey; the last block of the
/// result is the code. Allocates nothing per message. Not thread-safe.</summary>
internal sealed class AesCmac : IDisposable
{
    public const int MacBytes = 16;

    private const int BlockBytes = 16;
    // Large enough that the call into the platform's library is nothing beside the work, small enough to stay in the first cache.
    private const int ScratchBytes = 8 * 1024;

    private readonly ICryptoTransform _cbc;
    private readonly byte[] _scratch = new byte[ScratchBytes];
    private readonly byte[] _chain = new byte[BlockBytes];
    private readonly byte[] _wholeBlockKey = new byte[BlockBytes];
    private readonly byte[] _paddedBlockKey = new byte[BlockBytes];

    public AesCmac(ReadOnlySpan<byte> key)
    {
        using var aes = Aes.Create();
        aes.SetKey(key);
        aes.Mode = CipherMode.CBC;
        aes.Padding = PaddingMode.None;
        aes.IV = new byte[BlockBytes];
        _cbc = aes.CreateEncryptor();

        // RFC 4493 2.3: the subkeys are the encrypted zero block, doubled once and twice in GF(2^128).
        aes.EncryptEcb(_wholeBlockKey, _wholeBlockKey, PaddingMode.None);
        Double(_wholeBlockKey, _wholeBlockKey);
        Double(_wholeBlockKey, _paddedBlockKey);
    }

    /// <summary>Writes the 16 bytes of the code of <paramref name="message"/>.</summary>
    public void Compute(ReadOnlySpan<byte> message, Span<byte> mac)
    {
        // The transform chains for ever: what its last block left behind takes the place of the initial vector. Xored into the first block, it is undone,
        // and the message is encrypted as if the vector were zero; no key is expanded anew and no state reset.
        var left = message;
        var isFirst = true;
        do
        {
            var taken = Math.Min(left.Length, ScratchBytes);
            left[..taken].CopyTo(_scratch);
            left = left[taken..];
            var filled = taken;
            if (left.IsEmpty)
                filled = CloseLastBlock(taken);
            if (isFirst)
                Xor(_scratch, _chain);
            isFirst = false;
            _cbc.TransformBlock(_scratch, 0, filled, _scratch, 0);
            _scratch.AsSpan(filled - BlockBytes, BlockBytes).CopyTo(_chain);
        }
        while (!left.IsEmpty);
        _chain.CopyTo(mac);
    }

    /// <summary>RFC 4493 2.4, steps 2 to 4. Returns the count of bytes in scratch, now whole blocks and at least one.</summary>
    private int CloseLastBlock(int taken)
    {
        var past = taken % BlockBytes;
        if (past == 0 && taken > 0)
        {
            Xor(_scratch.AsSpan(taken - BlockBytes), _wholeBlockKey);
            return taken;
        }

        var last = _scratch.AsSpan(taken - past, BlockBytes);
        last[past..].Clear();
        last[past] = 0x80;
        Xor(last, _paddedBlockKey);
        return taken - past + BlockBytes;
    }

    private static void Xor(Span<byte> block, ReadOnlySpan<byte> with)
    {
        for (var i = 0; i < BlockBytes; i++)
            block[i] ^= with[i];
    }

    private static void Double(ReadOnlySpan<byte> block, Span<byte> doubled)
    {
        var overflow = (byte)(block[0] >> 7);
        for (var i = 0; i < BlockBytes - 1; i++)
            doubled[i] = (byte)((block[i] << 1) | (block[i + 1] >> 7));
        doubled[BlockBytes - 1] = (byte)((block[BlockBytes - 1] << 1) ^ (overflow * 0x87));
    }

    public void Dispose()
    {
        _cbc.Dispose();
        CryptographicOperations.ZeroMemory(_scratch);
        CryptographicOperations.ZeroMemory(_wholeBlockKey);
        CryptographicOperations.ZeroMemory(_paddedBlockKey);
    }
}
