using Capstan.ServerTests.Arbiter;
using Xunit.Runner.InProc.SystemConsole;

return args is [Worker.Verb, ..] ? await Worker.RunAsync(args[1..]) : await ConsoleRunner.Run(args);
