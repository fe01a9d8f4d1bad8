using System.Runtime.InteropServices;
using Capstan.Agent;

using var stop = new CancellationTokenSource();
// The process ends by returning, so that leases are given back and the spool is closed.
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

return await AgentProgram.RunAsync(args, AgentConsole.OfThisProcess(), TimeProvider.System, AgentProgram.NewRandom(), stop.Token);

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
