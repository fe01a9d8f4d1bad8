using Capstan.Client.Builds;
using Capstan.Protocol.V1;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Client.Builds;

/// <summary>The planner against a model of disk, launcher and site: what holds whatever happens, and that every plan comes to an end.</summary>
public sealed class BuildPlanPropertyTests
{
    private static readonly ClientBuild[] Builds = [.. new[] { "1.0.0", "2.0.0", "3.0.0" }.Select(version => SampleBuild.Order(version, 1))];

    [Fact]
    public void Every_plan_ends_and_every_history_comes_to_the_build_that_is_ordered() => Hold(_ => true, good: [0, 1, 2]);

    [Fact]
    public void A_bad_build_never_stays_whatever_the_order_of_events() =>
        Hold(world => world.State.Current != Builds[1].Id() && world.State.Current != Builds[2].Id(), good: [0]);

    /// <summary>One that runs and reaches no CAP is no different, however short the sessions are.</summary>
    [Fact]
    public void A_build_that_reaches_no_CAP_never_stays_and_never_keeps_the_one_before_from_its_turn() =>
        Hold(world => world.State.Current != Builds[1].Id() && world.State.Current != Builds[2].Id(), good: [0], deaf: [1]);

    private static void Hold(Func<World, bool> holds, IReadOnlyCollection<int> good, IReadOnlyCollection<int>? deaf = null) =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(Gen.ArrayOf(Gen.Choose(0, 299)).ToArbitrary(), events =>
        {
            var world = new World(good, deaf ?? []);
            return world.Live(events) && holds(world);
        }));

    /// <summary>One client's disk, its launcher, and its site. An event is a number.</summary>
    /// <param name="good">These reach a CAP where there is one.</param>
    /// <param name="deaf">These run, and reach none. All others crash.</param>
    private sealed class World(IReadOnlyCollection<int> good, IReadOnlyCollection<int> deaf)
    {
        private readonly Dictionary<string, HashSet<string>> _folders = [];
        private readonly HashSet<string> _sealed = [];
        private readonly HashSet<string> _leftOut = [];
        private readonly Dictionary<string, (long Order, int Count)> _starts = [];
        private ClientBuild? _ordered, _wanted;
        private string _running = "package";
        private bool _contactWasWhole, _isPatienceOver, _hadTurn, _programRuns, _capReached = true, _cannotCount;
        private (string Trial, long Order, int Starts)? _asked, _askedInVain;
        private readonly List<string> _history = [];
        private long _order;

        public BuildState State { get; private set; } = new();

        public bool Live(int[] events)
        {
            foreach (var happening in events)
            {
                Happen(happening);
                Check(Settle(fetches: happening % 3 != 0), $"event {happening}: the plan does not end");
                Check(IsSound(), $"event {happening}: unsound");
            }
            // Left alone, with a CAP and an order for a good build, every history ends there: also where no session lasts an hour.
            (_programRuns, _capReached, _cannotCount) = (false, true, false);
            Order(Builds[0] with { Downgrade = true });
            for (var session = 0; session < 20; session++)
            {
                Start();
                for (var turn = 0; turn < 6; turn++)
                {
                    if (Crashes(_running))
                    {
                        Start();
                        continue;
                    }
                    Turn();
                    Check(Settle(fetches: true), "at the end the plan does not end");
                }
                Stop();
            }
            Check(State.Current == Builds[0].Id() && State.Trial is null && Plan().Steps.Count == 0, "it does not come to the build that was ordered");
            return true;
        }

        private void Check(bool holds, string what)
        {
            if (!holds)
                throw new InvalidOperationException($"{what}\n{string.Join('\n', _history)}\nrunning {_running}, next: {string.Join(", ", Plan().Steps.Select(step => step.GetType().Name))} {Plan().Waiting}\n{State}");
        }

        private void Happen(int happening)
        {
            var build = Builds[happening / 20 % 3];
            switch (happening % 20)
            {
                case 0 or 1: Order(build); break;
                case 2: Order(build with { Downgrade = true }); break;
                case 3: Order(build with { Version = "package", Files = [] }); break;
                case 4: _ordered = _wanted = null; break;
                case 5: Damage(build, build.Files[happening % 2].Name); break;
                case 6: _sealed.Remove(build.Id()); break;
                case 7: _folders.Remove(build.Id()); _sealed.Remove(build.Id()); break;
                case 8: _programRuns = !_programRuns; break;
                case 9: _capReached = !_capReached; break;
                case 10: Turn(); _isPatienceOver = !Crashes(_running); break;
                case 11 or 12 or 13: Turn(); break;
                case 14: _leftOut.Add(State.Current); Start(); break;
                case 15: _cannotCount = !_cannotCount; break;
                case 16 or 17: Stop(); Start(); break;
                default: Start(); break;
            }
        }

        private void Order(ClientBuild build) => _ordered = build with { Order = ++_order };

        private void Turn()
        {
            if (Crashes(_running))
                return;
            _hadTurn = true;
            if (!_capReached || !IsGood(_running))
                return;
            _contactWasWhole = true;
            _wanted = _ordered ?? _wanted;
        }

        /// <summary>In order: a build that crashes is not there to be told.</summary>
        private void Stop()
        {
            if (Crashes(_running) || BuildPlanner.Stopped(State, _running, _contactWasWhole) is not { } state)
                return;
            State = state;
            _asked = _askedInVain = null;
            if (_starts.GetValueOrDefault(_running) is { Count: > 0 } starts)
                _starts[_running] = starts with { Count = starts.Count - 1 };
        }

        private bool Crashes(string id) => !IsGood(id) && !deaf.Any(index => Builds[index].Id() == id);

        private (string, long, int)? Asking() => State.Trial is { } trial && trial.Id != _running ? (trial.Id, trial.Order, StartsUsed()) : null;

        private int StartsUsed() => State.Trial is { } trial && _starts.GetValueOrDefault(trial.Id) is var (order, count) && order == trial.Order ? count : 0;

        private void Damage(ClientBuild build, string file)
        {
            if (_folders.TryGetValue(build.Id(), out var files))
                files.Remove(file);
        }

        private bool IsGood(string id) => id == "package" || good.Any(index => Builds[index].Id() == id);

        private bool IsWhole(string id) =>
            id == "package" || (_sealed.Contains(id) && _folders.TryGetValue(id, out var files) && files.Count == 2);

        /// <summary>The launcher, as packaging/capstan-client.sh chooses.</summary>
        private void Start()
        {
            (_contactWasWhole, _isPatienceOver, _hadTurn) = (false, false, false);
            if (State.Trial is { IsHeld: false } trial && !_cannotCount)
            {
                var (order, count) = _starts.GetValueOrDefault(trial.Id);
                count = order == trial.Order ? count : 0;
                if (count < 3)
                {
                    _starts[trial.Id] = (trial.Order, count + 1);
                    if (IsWhole(trial.Id) && !_leftOut.Contains(trial.Id))
                    {
                        _running = trial.Id;
                        return;
                    }
                }
            }
            _running = new[] { State.Current, State.Previous ?? "package", "package" }.First(id => id == "package" || (IsWhole(id) && !_leftOut.Contains(id)));
        }

        /// <summary>Plans and acts until there is nothing to do. False when that does not end.</summary>
        private bool Settle(bool fetches)
        {
            for (var steps = 0; steps < 60; steps++)
            {
                // A build that crashes plans nothing.
                if (Crashes(_running))
                    return true;
                if (_running == State.Current)
                    _leftOut.Clear();
                var step = Plan().Steps.FirstOrDefault(step => fetches || step is not BuildStep.Fetch);
                _history.Add($"{_running}: {step}");
                switch (step)
                {
                    case null: return true;
                    case BuildStep.Fetch fetch: Folder().Add(fetch.File.Name); break;
                    case BuildStep.Copy copy: Folder().Add(copy.File.Name); break;
                    case BuildStep.Seal: _sealed.Add(_wanted!.Id()); break;
                    case BuildStep.Drop drop: _folders.Remove(drop.Id); _sealed.Remove(drop.Id); break;
                    case BuildStep.Become become: State = become.State; break;
                    case BuildStep.Restart:
                        Check(_hadTurn, "a process ends itself before it had a turn");
                        Check(Asking() is null || Asking() != _askedInVain || _isPatienceOver, "a launcher that does not start the trial is asked without a pause");
                        _asked = Asking();
                        Start();
                        _askedInVain = Asking() == _asked ? _asked : null;
                        break;
                    default: return false;
                }
            }
            return false;
        }

        private HashSet<string> Folder()
        {
            if (!_folders.TryGetValue(_wanted!.Id(), out var files))
                _folders[_wanted.Id()] = files = [];
            return files;
        }

        private BuildPlan Plan() => BuildPlanner.Plan(new BuildFacts
        {
            Running = _running,
            RunningVersion = "0.9.0",
            State = State,
            Wanted = _wanted,
            Whole = _wanted is not null && _folders.TryGetValue(_wanted.Id(), out var files) ? files.ToHashSet() : [],
            IsSealed = _wanted is not null && _sealed.Contains(_wanted.Id()),
            Folders = [.. _folders.Keys],
            LeftOut = [.. _leftOut],
            StartsUsed = StartsUsed(),
            ProgramRuns = _programRuns,
            ContactWasWhole = _contactWasWhole,
            IsPatienceOver = _isPatienceOver,
            HadTurn = _hadTurn,
            IsAskedInVain = Asking() is { } asking && asking == _asked,
        });

        /// <summary>No order, nothing thrown away that somebody may go back to; what is bad is not tried under the same order; the state is one that the launcher reads.</summary>
        private bool IsSound() =>
            BuildState.Parse(State.ToString()).ToString() == State.ToString()
            && (State.Trial is not { } trial || !State.IsBad(trial.Id, trial.Order))
            && State.Trial?.Id != State.Current;
    }
}
