using Capstan.ServerTests.Arbiter;
using Capstan.ServerTests.Programs;
using Xunit.Runner.InProc.SystemConsole;

return args switch
{
    [Worker.Verb, ..] => await Worker.RunAsync(args[1..]),
    [KilledGateTests.Verb, var step, var directory] => KilledGateTests.Run(step, directory),
    _ => await ConsoleRunner.Run(args),
};
