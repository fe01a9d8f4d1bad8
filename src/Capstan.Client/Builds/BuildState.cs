using System.Globalization;
using System.Text;
using Capstan.Protocol.V1;

namespace Capstan.Client.Builds;

/// <summary>What <c>builds/state</c> says: which build runs, which one is tried, which are bad. Lines of words, which the launcher reads, too.</summary>
/// <remarks>Only the agent writes it. The launcher (packaging/capstan-client.sh) counts the starts of the trial in a file of its own, so that no file has two writers.</remarks>
internal sealed record BuildState
{
    /// <summary>Starts that a build on trial has; the launcher knows the number, too.</summary>
    public const int Starts = 3;

    /// <summary>More are forgotten, the oldest first: a bad build is bad under its order only, and orders rise.</summary>
    private const int MaxBad = 8;

    /// <summary>The build that reported healthy last, or the package's.</summary>
    public string Current { get; init; } = ClientBuild.OfPackage;

    /// <summary>The order that brought <see cref="Current"/>; 0 for the package's.</summary>
    public long CurrentOrder { get; init; }

    /// <summary>The one before; null for none but the package's.</summary>
    public string? Previous { get; init; }

    public BuildTrial? Trial { get; init; }

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<BadBuild> Bad { get; init; } = [];

    public bool IsBad(string id, long order) => Bad.Any(bad => bad.Id == id && bad.Order >= order);

    public BuildState WithBad(BadBuild bad) => this with { Bad = [.. Bad.Where(known => known.Id != bad.Id).Append(bad).TakeLast(MaxBad)] };

    public override string ToString()
    {
        var text = new StringBuilder("# The agent's builds: written by capstan-client, read by its launcher, too. docs/operations.md\n");
        text.Append(CultureInfo.InvariantCulture, $"current {Current}\n");
        if (CurrentOrder > 0)
            text.Append(CultureInfo.InvariantCulture, $"under {CurrentOrder}\n");
        if (Previous is not null)
            text.Append(CultureInfo.InvariantCulture, $"previous {Previous}\n");
        if (Trial is { } trial)
            text.Append(CultureInfo.InvariantCulture, $"trial {trial.Id}\norder {trial.Order}\n{(trial.IsHeld ? "held yes\n" : "")}");
        foreach (var bad in Bad)
            text.Append(CultureInfo.InvariantCulture, $"bad {bad.Id} {bad.Order} {bad.Reason.ReplaceLineEndings(" ")}\n");
        return text.ToString();
    }

    /// <summary>What is damaged or of a later form is left out; without a current build it is the package's, as the launcher takes it.</summary>
    public static BuildState Parse(string text)
    {
        var state = new BuildState();
        string? trial = null;
        long order = 0, under = 0;
        var held = false;
        foreach (var line in text.Split('\n'))
        {
            var (word, rest) = line.Split(' ', 2) is [var first, var second] ? (first, second) : (line, "");
            switch (word)
            {
                case "current" when IsId(rest): state = state with { Current = rest }; break;
                case "under": _ = long.TryParse(rest, NumberStyles.None, CultureInfo.InvariantCulture, out under); break;
                case "previous" when IsId(rest): state = state with { Previous = rest }; break;
                case "trial" when IsId(rest): trial = rest; break;
                case "order": _ = long.TryParse(rest, NumberStyles.None, CultureInfo.InvariantCulture, out order); break;
                case "held": held = true; break;
                case "bad" when rest.Split(' ', 3) is [var id, var number, var reason] && IsId(id) && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var until):
                    state = state.WithBad(new BadBuild(id, until, reason));
                    break;
                default: break;
            }
        }
        state = state with { CurrentOrder = under };
        return trial is null ? state : state with { Trial = new BuildTrial(trial, order, held) };
    }

    /// <summary>Fit to be a directory's name, and one word for the launcher.</summary>
    public static bool IsId(string id) => id.Length is > 0 and <= 64 && char.IsAsciiLetterOrDigit(id[0]) && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
}

/// <param name="Order">The order under which it is tried.</param>
/// <param name="IsHeld">It found no CAP: the build before runs until it has found one, and then the trial goes on.</param>
internal sealed record BuildTrial(string Id, long Order, bool IsHeld = false);

/// <param name="Order">Up to this order it is not tried again.</param>
/// <param name="Reason">One line.</param>
internal sealed record BadBuild(string Id, long Order, string Reason);
