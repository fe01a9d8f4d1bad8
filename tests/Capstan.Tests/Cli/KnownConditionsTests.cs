using System.Text.RegularExpressions;
using Capstan.Cli.Doctor.Logs;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Smb;

namespace Capstan.Tests.Cli;

/// <summary>The data file of known conditions: each entry is whole, and explains its own lines and no other's.</summary>
public sealed class KnownConditionsTests
{
    private static readonly KnownConditions Known = KnownConditions.Load();

    public static TheoryData<string, string> Examples()
    {
        var data = new TheoryData<string, string>();
        foreach (var condition in Known.All)
        {
            foreach (var example in condition.Examples)
                data.Add(condition.Id, example);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Examples))]
    public void Every_example_is_explained_by_its_condition_and_by_no_other(string id, string example) =>
        Assert.Equal([id], Known.Recognize(LogEntry.Parse(example).Text).Select(found => found.Condition.Id));

    [Fact]
    public void Every_condition_has_a_cause_a_next_step_a_source_and_an_example()
    {
        Assert.All(Known.All, condition =>
        {
            Assert.Matches(new Regex("^[a-z0-9]+(?:_[a-z0-9]+)*$", RegexOptions.NonBacktracking), condition.Id);
            Assert.Contains(condition.Product, (string[])["sms", "capstan", "samba", "windows"]);
            Assert.NotEmpty(condition.Symptoms);
            Assert.NotEmpty(condition.Sources);
            Assert.NotEmpty(condition.Examples);
            Assert.EndsWith(".", condition.Cause, StringComparison.Ordinal);
            Assert.EndsWith(".", condition.NextStep, StringComparison.Ordinal);
            Assert.False(string.IsNullOrWhiteSpace(condition.Summary));
        });
        Assert.Equal(Known.All.Count, Known.All.Select(condition => condition.Id).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void A_symptom_follows_from_conditions_that_exist()
    {
        var ids = Known.All.Select(condition => condition.Id).ToHashSet(StringComparer.Ordinal);
        Assert.All(Known.All.SelectMany(condition => condition.FollowsFrom ?? []), id => Assert.Contains(id, ids));
    }

    [Theory]
    [InlineData(5, "access_denied")]
    [InlineData(53, "path_not_found")]
    [InlineData(67, "share_not_found")]
    [InlineData(71, "connections_exhausted")]
    [InlineData(1219, "credential_conflict")]
    [InlineData(1326, "logon_failure")]
    [InlineData(1327, "account_restriction")]
    public void The_codes_that_occur_with_the_NAL_are_known_as_number_and_as_HRESULT(int code, string id)
    {
        Assert.Equal(id, Assert.Single(Known.Recognize($"System error {code} has occurred.")).Condition.Id);
        Assert.Equal(id, Assert.Single(Known.Recognize($"it failed with 0x{0x80070000 + code:X8}")).Condition.Id);
    }

    /// <summary>The texts come from the provider itself, so that a change of its words shows here.</summary>
    [Theory]
    [InlineData(SmbFailure.ClosedAtOnce, 0u, "server_likely_full")]
    [InlineData(SmbFailure.Silent, 0u, "server_maybe_full")]
    [InlineData(SmbFailure.Unreachable, 0u, "server_unreachable")]
    [InlineData(SmbFailure.Tampered, 0u, "traffic_changed")]
    [InlineData(SmbFailure.Status, 0xC00000D0u, "server_full")]
    [InlineData(SmbFailure.Status, 0xC000009Au, "server_full")]
    [InlineData(SmbFailure.Status, 0xC0000205u, "server_full")]
    [InlineData(SmbFailure.Status, 0xC00000CEu, "server_full")]
    [InlineData(SmbFailure.Logon, 0xC000006Du, "account_refused")]
    [InlineData(SmbFailure.Logon, 0xC0000234u, "account_refused")]
    [InlineData(SmbFailure.Logon, 0xC0000133u, "account_refused clock_wrong")]
    public void What_the_provider_says_of_a_connection_that_fails_is_known(SmbFailure failure, uint status, string ids)
    {
        var cause = new SmbException(failure, "it said so", SmbCompletion.Refused, SmbCommand.SessionSetup, new NtStatus(status));
        var message = SmbErrors.Connecting(cause, "fs1:44501", "capclient", NalPath.Parse("smb://fs1:44501/cap/")).Exception.Message;
        var found = Known.Recognize($"ABEXPRT - WaitForCAPAccess - abstract export ABEXPRT:\\\\CAP List for site ABC not accessible: {message}; next try 14:32:10");
        Assert.Equal(ids, string.Join(' ', found.Select(one => one.Condition.Id)));
        Assert.All(found.Where(one => one.About is not null), one => Assert.Equal("fs1:44501", one.About));
    }

    [Theory]
    [InlineData("CCIM32 - Begin the maintenance cycle")]
    [InlineData("Policy version 12 is in force; state approved")]
    [InlineData("{}")]
    [InlineData("")]
    public void A_line_of_normal_work_is_nobodys(string line) => Assert.Empty(Known.Recognize(line));

    [Fact]
    public void A_pattern_that_would_have_to_backtrack_is_refused() =>
        Assert.Throws<NotSupportedException>(() => new Symptom("abc(?=d)").Match("abcd"));

    [Theory]
    [InlineData(@"is full \(", "is full (")]
    [InlineData(@"\b0x80070047\b", "0x80070047")]
    [InlineData(@"licen[cs]es\b.*\bnot release", "not release")]
    [InlineData(@"user ?name or bad", "name or bad")]
    [InlineData(@"(?:one|other) last", " last")]
    [InlineData(@"ab{2}cde", "cde")]
    public void A_symptom_is_searched_for_by_its_longest_literal(string pattern, string literal) => Assert.Equal(literal, new Symptom(pattern).Literal);

    [Theory]
    [InlineData("one|other")]
    [InlineData(@"\w+ \d+")]
    public void A_pattern_without_a_literal_is_refused(string pattern) => Assert.Throws<ArgumentException>(() => new Symptom(pattern));

    [Fact]
    public void Every_pattern_can_be_used() =>
        Assert.All(Known.All.SelectMany(condition => condition.Symptoms), pattern => new Symptom(pattern).Match(new Symptom(pattern).Literal));
}
