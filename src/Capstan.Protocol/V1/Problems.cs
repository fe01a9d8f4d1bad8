using Capstan.Protocol.Jose;

namespace Capstan.Protocol.V1;

/// <summary>Collects what is wrong with one document, so that a person mends all of it at once. Names members, never their values.</summary>
internal sealed class Problems
{
    /// <summary>Longest string of a document, in UTF-16 units, where nothing else is said.</summary>
    public const int MaxText = 4096;

    /// <summary>Longest list where nothing else is said.</summary>
    public const int MaxList = 10_000;

    /// <summary>A hostile document may be wrong in a million places; the rest is counted.</summary>
    private const int MaxShown = 12;

    private readonly List<string> _shown = [];

    /// <summary>Where the check stands: member names, with the index in a list or -1. Written out only for a problem: an inventory has 20,000 members.</summary>
    private readonly Stack<(string Member, int Index)> _place = [];
    private int _count;

    public bool Any => _count > 0;

    public override string ToString() =>
        string.Join("; ", _shown) + (_count > MaxShown ? $"; and {_count - MaxShown} more" : "");

    public void Add(string member, string what)
    {
        if (_count++ < MaxShown)
            _shown.Add($"{Place(member)} {what}");
    }

    public void Require(bool holds, string member, string what)
    {
        if (!holds)
            Add(member, what);
    }

    public void Version(int version) => Require(version == 1, "version", "must be 1");

    public void Site(string code) => Require(SiteCode.IsValid(code), "siteCode", "must be three characters A-Z 0-9, not AUX CON NUL PRN");

    public void Device(string member, string id) => Require(Protocol.DeviceId.TryParse(id, out _), member, "must be 32 characters a-z 2-7");

    public void Range(string member, long value, long least, long most)
    {
        if (value < least || value > most)
            Add(member, $"must be from {least} to {most}");
    }

    /// <summary>Unix seconds that a calendar can show: years 1 to 9999.</summary>
    public void Seconds(string member, long? seconds) =>
        Range(member, seconds ?? 0, DateTimeOffset.MinValue.ToUnixTimeSeconds(), DateTimeOffset.MaxValue.ToUnixTimeSeconds());

    /// <summary>Unix milliseconds that a calendar can show: years 1 to 9999.</summary>
    public void Milliseconds(string member, long milliseconds) =>
        Range(member, milliseconds, DateTimeOffset.MinValue.ToUnixTimeMilliseconds(), DateTimeOffset.MaxValue.ToUnixTimeMilliseconds());

    /// <summary>A count or a size: not below zero. Null is allowed where the record allows it.</summary>
    public void Amount(string member, double? value) => Require(value is null or >= 0, member, "must not be below 0");

    public void Key(string member, Jwk key)
    {
        if (key.Problem() is { } problem)
            Add(member, problem);
    }

    /// <summary>A word of the protocol: 1 to 64 of A–Z a–z 0–9 - _ .</summary>
    public void Word(string member, string word) =>
        Require(word.Length is > 0 and <= 64 && word.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'), member,
            "must be 1 to 64 of A-Z a-z 0-9 - _ .");

    public void OneOf(string member, string value, params ReadOnlySpan<string> allowed)
    {
        if (!allowed.Contains(value))
            Add(member, $"must be one of {string.Join(", ", allowed)}");
    }

    public void Hash(string member, string hash) =>
        Require(hash.Length == 64 && hash.All(char.IsAsciiHexDigitLower), member, "must be 64 lower-case hexadecimal digits");

    /// <summary>Free text; null is allowed where the record allows it.</summary>
    public void Text(string member, string? text, int most = MaxText)
    {
        if (text is not null && text.Length > most)
            Add(member, $"is longer than {most} characters");
    }

    /// <summary>Text that must say something.</summary>
    public void Name(string member, string text, int most = MaxText)
    {
        if (text.Length == 0 || text.Length > most)
            Add(member, $"must have 1 to {most} characters");
    }

    /// <summary>A path or a line: no control characters.</summary>
    public void Line(string member, string text, int most = MaxText)
    {
        Name(member, text, most);
        Require(!text.Any(char.IsControl), member, "must not have control characters");
    }

    /// <summary>Ranges of addresses; null is allowed where the record allows it. A form that a later version adds is left alone by who matches.</summary>
    public void Boundaries(string member, IReadOnlyList<string>? boundaries)
    {
        if (boundaries is not null)
            Each(member, boundaries, static (problems, text) => problems.Line("", text, Boundary.MaxText), Boundary.Most);
    }

    /// <summary>Checks a member that is an object; its own members are named below it.</summary>
    public void Part<T>(string member, T part, Action<Problems, T> check)
    {
        _place.Push((member, -1));
        check(this, part);
        _place.Pop();
    }

    /// <summary>Checks the length, then each element (named <c>""</c> by its check); a null in a list is a problem.</summary>
    public void Each<T>(string member, IReadOnlyList<T> list, Action<Problems, T> check, int most = MaxList)
    {
        if (list.Count > most)
        {
            Add(member, $"has {list.Count} elements; the limit is {most}");
            return;
        }
        for (var i = 0; i < list.Count; i++)
        {
            _place.Push((member, i));
            if (list[i] is null)
                Add("", "is null");
            else
                check(this, list[i]);
            _place.Pop();
        }
    }

    private string Place(string member)
    {
        var names = _place.Reverse().Select(place => place.Index < 0 ? place.Member : $"{place.Member}[{place.Index}]");
        return string.Join('.', member.Length == 0 ? names : names.Append(member));
    }
}
