using System.Runtime.InteropServices;
using Capstan.Fleet;

using var stop = new CancellationTokenSource();
// The process ends by returning, so that every connection is given back and the clients' directories are removed.
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

return await FleetProgram.RunAsync(args, Console.In, Console.Out, Console.Error, TimeProvider.System, stop.Token);

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
