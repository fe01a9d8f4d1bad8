using System.Runtime.InteropServices;

namespace Capstan.Client.Programs.Gate;

/// <summary>The words and variables of a program as the operating system takes them, made before they are needed.</summary>
internal sealed unsafe partial class ExecutedProgram(string executable, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment) : IDisposable
{
    private byte** _words = ProgramCalls.Strings([executable, .. arguments]);
    private byte** _variables = ProgramCalls.Strings([.. environment.Select(variable => $"{variable.Key}={variable.Value}")]);

    /// <summary>Becomes the program, from the calling thread; the others end.</summary>
    /// <returns>The error of the operating system; nothing at all when it worked.</returns>
    public int Execute()
    {
        _ = ExecuteAt(_words[0], _words, _variables);
        return Marshal.GetLastPInvokeError();
    }

    public void Dispose()
    {
        if (_words is not null)
            ProgramCalls.Free(_words);
        if (_variables is not null)
            ProgramCalls.Free(_variables);
        _words = _variables = null;
    }

    [LibraryImport("libc", EntryPoint = "execve", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ExecuteAt(byte* path, byte** words, byte** variables);
}
