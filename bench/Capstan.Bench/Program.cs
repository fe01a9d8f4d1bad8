using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Capstan.Bench.Content;
using Capstan.Bench.Figures;
using Capstan.Bench.Fleet;
using Capstan.Client.Content;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

// dotnet run -c Release --project bench/Capstan.Bench -- figures [agent]   the figures of docs/testing.md, whole processes and pipelines
// dotnet run -c Release --project bench/Capstan.Bench -- ingest [directory] those of the loader alone, with the folder CAP elsewhere than the database
// dotnet run -c Release --project bench/Capstan.Bench -- poll              what a client costs that finds nothing new
// dotnet run -c Release --project bench/Capstan.Bench -- shuffled [directory] records of many devices that come out of order and twice
// dotnet run -c Release --project bench/Capstan.Bench -- publish [capstan] what publishing a package costs, whole processes, beside cp, tar, casync, restic, ostree
// dotnet run -c Release --project bench/Capstan.Bench -- delta [capstan]   what version 2 of a package costs, beside casync, restic, ostree, rsync, rclone, zsync (bench/debian-packages.txt)
// dotnet run -c Release --project bench/Capstan.Bench -- offers            collections, policies and advertisements of a site with 10,000 clients
// dotnet run -c Release --project bench/Capstan.Bench -- plan              1,000 advertisements on one client
// dotnet run -c Release --project bench/Capstan.Bench -- smb HOST PORT SHARE ACCOUNT PASSWORD-FILE   the SMB client beside smbclient
// dotnet run -c Release --project bench/Capstan.Bench -- idle              what an idle SMB connection costs, both sides together
// dotnet run -c Release --project bench/Capstan.Bench -- ncp               the NCP client beside a test server in this process
// dotnet run -c Release --project bench/Capstan.Bench -- core [directory]  the arbiter's core, its slots and its journal, on the disk of a directory
// dotnet run -c Release --project bench/Capstan.Bench -- fleet-sim         fleets over licences, simulated
// dotnet run -c Release --project bench/Capstan.Bench -- fleet [seeds]     200 real clients at a Samba that takes 20, beside loops of smbclient (root, as the server tests)
// dotnet run -c Release --project bench/Capstan.Bench -- soak [minutes]    what stays open after reads, ours beside rclone (root)
// dotnet run -c Release --project bench/Capstan.Bench -- fetch [directory [delta|cold|many|samba]] what content costs a client, beside cp and smbclient (root)
// dotnet run -c Release --project bench/Capstan.Bench -- micro [filter]    micro-benchmarks with their baselines
switch (args)
{
    case ["figures", .. var rest]:
        return await FigureTable.RunAsync(rest, CancellationToken.None);
    case ["ingest", .. var cap]:
        return await FigureTable.PrintAsync([() => IngestFigures.RunAsync(cap.FirstOrDefault(), CancellationToken.None)]);
    case ["poll"]:
        return await FigureTable.PrintAsync([() => PollFigures.RunAsync(CancellationToken.None)]);
    case ["shuffled", .. var shuffledCap]:
        return await FigureTable.PrintAsync([() => ShuffledIngest.RunAsync(shuffledCap.FirstOrDefault(), CancellationToken.None)]);
    case ["publish", .. var capstan]:
        return await FigureTable.PrintAsync([() => PublishFigures.RunAsync(capstan.FirstOrDefault(), CancellationToken.None)]);
    case ["delta", .. var capstan]:
        return await FigureTable.PrintAsync([() => DeltaFigures.RunAsync(capstan.FirstOrDefault(), CancellationToken.None)]);
    case ["offers"]:
        return await FigureTable.PrintAsync([() => OfferFigures.RunAsync(CancellationToken.None)]);
    case ["plan"]:
        return await FigureTable.PrintAsync([() => PlanFigures.RunAsync(CancellationToken.None)]);
    case ["smb", var host, var port, var share, var account, var passwordFile]:
        var smb = new SmbFigures(host, int.Parse(port, CultureInfo.InvariantCulture), share, account, passwordFile);
        return await FigureTable.PrintAsync([() => smb.RunAsync(CancellationToken.None)]);
    case ["idle"]:
        return await FigureTable.PrintAsync([() => IdleConnections.RunAsync(CancellationToken.None)]);
    case ["ncp"]:
        return await FigureTable.PrintAsync([() => NcpFigures.RunAsync(CancellationToken.None)]);
    case ["core", .. var disk]:
        return await FigureTable.PrintAsync([CoreFigures.RunAsync, new MachineFigures(disk.FirstOrDefault() ?? Path.GetTempPath()).RunAsync]);
    case ["fleet-sim"]:
        return await FigureTable.PrintAsync([FleetFigures.RunAsync]);
    case ["fleet", .. var seeds]:
        var fleet = new FleetAtSamba(seeds is [var count] ? int.Parse(count, CultureInfo.InvariantCulture) : 7);
        return await FigureTable.PrintAsync([() => fleet.RunAsync(CancellationToken.None)]);
    case ["soak", .. var minutes]:
        var soak = new LeakSoak(TimeSpan.FromMinutes(minutes is [var length] ? double.Parse(length, CultureInfo.InvariantCulture) : 10));
        return await FigureTable.PrintAsync([() => soak.RunAsync(CancellationToken.None)]);
    case ["fetch", .. var place]:
        var content = new FetchFigures(place.FirstOrDefault() ?? Path.GetTempPath(), place.ElementAtOrDefault(1));
        return await FigureTable.PrintAsync([() => content.RunAsync(CancellationToken.None)]);
    case ["fetch-once", var client, var cap, var package, var version, var manifest, .. var account]:
        // One fetch of those figures, in a process of its own.
        var known = account is [var name, var password] ? new ConnectionAccount(name, new Secret(File.ReadAllText(password))) : null;
        var key = new PackageKey(package, long.Parse(version, CultureInfo.InvariantCulture));
        Console.WriteLine(await FetchOnce.RunAsync(client, NalPath.Parse(cap), known, key, manifest, CancellationToken.None));
        return 0;
    case ["micro", .. var rest]:
        // In process: the projects' central settings need no copy, and the ratios are what we read.
        var config = ManualConfig.CreateEmpty()
            .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
            .AddDiagnoser(MemoryDiagnoser.Default)
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .AddExporter(MarkdownExporter.Console)
            .AddLogger(ConsoleLogger.Default);
        BenchmarkSwitcher.FromAssembly(typeof(FigureTable).Assembly).Run(rest.Length == 0 ? ["--filter", "*"] : ["--filter", .. rest], config);
        return 0;
    default:
        Console.Error.WriteLine("usage: figures [published capstan-client] | ingest [directory for the CAP] | poll | shuffled [directory for the CAP] | publish [capstan] | delta [capstan] | offers | smb HOST PORT SHARE ACCOUNT PASSWORD-FILE | idle | ncp | core [directory] | fleet-sim | fleet [seeds] | soak [minutes] | fetch [directory [delta|cold|many|samba]] | micro [filter]");
        return 2;
}
