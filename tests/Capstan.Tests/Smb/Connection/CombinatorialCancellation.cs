using System.Reflection;
using Capstan.Smb;
using Capstan.Testing.Smb;
using Xunit.Sdk;
using Xunit.v3;

namespace Capstan.Tests.Smb.Connection;

/// <summary>Every rule for compounds, every request of a write, a CANCEL that is obeyed or comes too late, with and without an interim answer.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class CombinatorialCancellationAttribute : DataAttribute
{
    public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(MethodInfo testMethod, DisposalTracker disposalTracker)
    {
        bool[] either = [false, true];
        SmbCommand[] commands = [SmbCommand.Create, SmbCommand.Write, SmbCommand.Flush, SmbCommand.SetInfo, SmbCommand.Close];
        return ValueTask.FromResult<IReadOnlyCollection<ITheoryDataRow>>(
        [
            .. from compounds in Enum.GetValues<SmbCompoundRule>()
               from held in commands
               from obeys in either
               from interim in either
               select new TheoryDataRow<SmbCompoundRule, SmbCommand, bool, bool>(compounds, held, obeys, interim),
        ]);
    }

    public override bool SupportsDiscoveryEnumeration() => false;
}
