using Capstan.Client.Programs.Gate;

namespace Capstan.Tests.Client.Programs.Gate;

public sealed class ProgramEndTests
{
    [Fact]
    public void Group_of_the_program_is_asked_as_one_while_any_of_it_lives() =>
        Assert.Equal([-70], ProgramEnd.Asked([Of(71, 70), Of(80, 80)], 70));

    [Fact]
    public void Number_of_a_group_that_has_ended_may_be_a_strangers_so_those_who_are_left_are_asked_one_by_one() =>
        Assert.Equal([80, 81], ProgramEnd.Asked([Of(80, 80), Of(81, 80)], 70));

    [Fact]
    public void Nobody_is_asked_when_nobody_is_left() => Assert.Empty(ProgramEnd.Asked([], 70));

    private static ProcessEntry Of(int id, int group) => new(id, 1, group, 60, 1, IsZombie: false);
}
