using System.Runtime.CompilerServices;

namespace Capstan.Client.Content;

/// <summary>A set of chunks in two arrays, by the first 8 bytes of their hashes: a version may have half a million, and a dictionary takes three times as much for each. Nothing is removed. Not thread-safe.</summary>
/// <param name="expected">Room for so many is made once.</param>
internal sealed class WantedChunks(int expected)
{
    /// <summary>Slots for each three chunks, at least.</summary>
    private const int SlotsOfThree = 4;

    private ulong[] _keys = new ulong[Slots(expected)];
    private Wanted[] _wanted = new Wanted[Slots(expected)];

    public int Count { get; private set; }

    /// <summary>What is known of a chunk, to be read and written until another is added; a null reference when it is not wanted.</summary>
    public ref Wanted Find(ulong key)
    {
        var slot = SlotOf(key);
        if (_wanted[slot].IsTaken)
            return ref _wanted[slot];
        return ref Unsafe.NullRef<Wanted>();
    }

    /// <summary>Adds one that is not there.</summary>
    public void Add(ulong key)
    {
        if ((long)(Count + 1) * SlotsOfThree > _keys.LongLength * 3)
            Grow();
        var slot = SlotOf(key);
        (_keys[slot], _wanted[slot]) = (key, Wanted.Nowhere);
        Count++;
    }

    /// <summary>Where it is, or would be: hashes are spread by themselves.</summary>
    private int SlotOf(ulong key)
    {
        var slot = (int)Math.BigMul(key, (ulong)_keys.Length, out _);
        while (_wanted[slot].IsTaken && _keys[slot] != key)
            slot = slot + 1 == _keys.Length ? 0 : slot + 1;
        return slot;
    }

    private void Grow()
    {
        var (keys, wanted) = (_keys, _wanted);
        var slots = Slots(Count + Count / 2 + 1);
        (_keys, _wanted) = (new ulong[slots], new Wanted[slots]);
        for (var i = 0; i < keys.Length; i++)
        {
            if (!wanted[i].IsTaken)
                continue;
            var slot = SlotOf(keys[i]);
            (_keys[slot], _wanted[slot]) = (keys[i], wanted[i]);
        }
    }

    private static int Slots(int chunks) => (int)((long)chunks * SlotsOfThree / 3) + 2;

    /// <summary>One chunk, in 4 bytes; zero is an empty slot.</summary>
    internal readonly record struct Wanted
    {
        public static readonly Wanted Nowhere = new() { Place = -1 };

        private readonly int _value;

        public bool IsTaken => _value != 0;

        /// <summary>The version has it more than once.</summary>
        public bool IsRepeated { get => (_value & 1) != 0; init => _value = (_value & ~1) | (value ? 1 : 0); }

        /// <summary>Number of the place where it lies; -1 while there is none.</summary>
        public int Place { get => (_value >> 1) - 2; init => _value = ((value + 2) << 1) | (_value & 1); }
    }
}
