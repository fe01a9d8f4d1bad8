using Capstan.Cli;

return await CapstanCommand.RunAsync(args, CliHost.ForProcess());
