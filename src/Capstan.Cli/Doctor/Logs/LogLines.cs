using System.Runtime.CompilerServices;
using System.Text;

namespace Capstan.Cli.Doctor.Logs;

/// <summary>The lines of a stream of any length, in bounded memory.</summary>
internal static class LogLines
{
    /// <summary>What is kept of a line, in characters; the rest of a longer one is passed over.</summary>
    public const int LongestLine = 16 * 1024;

    private const int BlockCharacters = 64 * 1024;
    private const int FewControls = 8;

    /// <summary>UTF-8, or UTF-16 with its mark; bytes that are neither (an old code page) become U+FFFD and hurt nothing. A line ends with LF, CR or both.</summary>
    /// <param name="name">For the message.</param>
    /// <exception cref="CliException">This is no text: more than 5 % of its first block are control characters.</exception>
    public static async IAsyncEnumerable<string> ReadAsync(Stream stream, string name, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), detectEncodingFromByteOrderMarks: true, bufferSize: 64 * 1024, leaveOpen: true);
        var block = new char[BlockCharacters];
        var line = new StringBuilder();
        var isFirst = true;
        for (int read; (read = await reader.ReadAsync(block.AsMemory(), cancellationToken)) > 0; isFirst = false)
        {
            if (isFirst)
                RefuseBinary(block.AsSpan(0, read), name);
            for (var start = 0; start < read;)
            {
                var end = block.AsSpan(start, read - start).IndexOfAny('\n', '\r');
                var stop = end < 0 ? read : start + end;
                line.Append(block, start, Math.Min(stop - start, LongestLine - line.Length));
                if (end >= 0 && line.Length > 0)
                {
                    yield return line.ToString();
                    line.Clear();
                }
                start = stop + 1;
            }
        }
        if (line.Length > 0)
            yield return line.ToString();
    }

    /// <summary>A few control characters are left by a crash in the middle of a line; an archive or a program has them everywhere.</summary>
    private static void RefuseBinary(ReadOnlySpan<char> block, string name)
    {
        var controls = 0;
        foreach (var letter in block)
        {
            if (char.IsControl(letter) && letter is not ('\n' or '\r' or '\t' or '\f' or '\u001B'))
                controls++;
        }
        if (controls > FewControls && controls > block.Length / 20)
            throw new CliException($"{name} is no text: {controls} of its first {block.Length} characters are control characters. Give a log; unpack an archive first.");
    }
}
