using System.Globalization;
using Capstan.Client.Builds;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Lives;

/// <summary>packaging/capstan-client.sh as a function: which build a start of the service becomes. The script itself is tested in a real shell.</summary>
/// <param name="data">The client's directory.</param>
/// <param name="package">Where the package's own build lies.</param>
internal sealed class LifeLauncher(string data, string package)
{
    /// <summary>Launches that a build may need to get up before the repair leaves it out.</summary>
    private const int MaxLaunches = 5;

    private readonly BuildFolder _folder = new(data, package);

    /// <summary>A start of the service.</summary>
    public string Choose()
    {
        if (!File.Exists(PathOf("state")))
            return ClientBuild.OfPackage;
        var state = _folder.ReadState();
        if (state.Trial is { IsHeld: false } trial && Count("starts", $"{trial.Id} {trial.Order}") is var starts && starts < BuildState.Starts)
        {
            Put("starts", string.Create(CultureInfo.InvariantCulture, $"{trial.Id} {trial.Order} {starts + 1}"));
            if (IsWhole(trial.Id))
                return trial.Id;
        }
        var chosen = Whole(state);
        Put("launches", string.Create(CultureInfo.InvariantCulture, $"{chosen} {Math.Min(9, Count("launches", chosen) + 1)}"));
        return chosen;
    }

    /// <summary>The timer that looks after a build that does not get up.</summary>
    public void Repair()
    {
        if (!File.Exists(PathOf("state")))
            return;
        var chosen = Whole(_folder.ReadState());
        if (chosen != ClientBuild.OfPackage && Count("launches", chosen) >= MaxLaunches)
            File.AppendAllText(PathOf("skip"), chosen + "\n");
    }

    /// <summary>The service ended.</summary>
    public void Ended(string how)
    {
        if (File.Exists(PathOf("state")) && _folder.ReadState().Trial is { } trial && Count("starts", $"{trial.Id} {trial.Order}") > 0)
            Put("ended", $"{trial.Id} {how}");
    }

    private string Whole(BuildState state) => new[] { state.Current, state.Previous ?? ClientBuild.OfPackage }.FirstOrDefault(IsWhole, ClientBuild.OfPackage);

    private bool IsWhole(string id) => id == ClientBuild.OfPackage || (File.Exists(Path.Combine(_folder.FolderOf(id), BuildFolder.Sums)) && !_folder.LeftOut().Contains(id, StringComparer.Ordinal));

    private int Count(string file, string key) =>
        File.Exists(PathOf(file)) && File.ReadAllText(PathOf(file)).TrimEnd('\n') is var line && line.StartsWith(key + " ", StringComparison.Ordinal)
            ? int.Parse(line[(key.Length + 1)..], CultureInfo.InvariantCulture)
            : 0;

    private void Put(string file, string line) => File.WriteAllText(PathOf(file), line + "\n");

    private string PathOf(string file) => Path.Combine(_folder.Root, file);
}
