using Capstan.Protocol.V1;
using Capstan.Tests.House;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Protocol.V1;

/// <summary>The table of settings: what is read, what is refused, and that it documents itself.</summary>
public sealed class SettingDefinitionTests
{
    [Theory]
    [InlineData("cycle", "12h", "43200")]
    [InlineData("cycle", "82800", "82800")]
    [InlineData("cycle", "5m", "300")]
    [InlineData("cycle", "31d", "2678400")]
    [InlineData("cycle", "4m", null)]
    [InlineData("cycle", "32d", null)]
    [InlineData("cycle", "off", null)]
    [InlineData("cycle", "0", null)]
    [InlineData("cycle", "-1", null)]
    [InlineData("cycle", "", null)]
    [InlineData("cycle", "h", null)]
    [InlineData("cycle", "1.5h", null)]
    [InlineData("cycle", "99999999999999999999h", null)]
    [InlineData("cycle", "106751991167301d", null)]
    [InlineData("cycle", "2MB", null)]
    [InlineData("leaveAfter", "off", "0")]
    [InlineData("leaveAfter", "0", "0")]
    [InlineData("leaveAfter", "60d", "5184000")]
    [InlineData("leaveAfter", "1d", null)]
    [InlineData("spoolSize", "2MB", "2000000")]
    [InlineData("spoolSize", "1KB", null)]
    [InlineData("spoolSize", "1h", null)]
    [InlineData("logLevel", "debug", "debug")]
    [InlineData("logLevel", "Debug", null)]
    [InlineData("cache.size", "20GB", "20000000000")]
    [InlineData("cache.size", "1MB", null)]
    [InlineData("cache.size", "9999999999999999999GB", null)]
    [InlineData("content.rate", "500KB", "500000")]
    [InlineData("content.rate", "off", "0")]
    [InlineData("content.rate", "1h", null)]
    [InlineData("content.slowLink", "off", null)]
    [InlineData("content.hours", "22:00-06:00", "22:00-06:00")]
    [InlineData("content.hours", "any", "any")]
    [InlineData("content.hours", "8:00-9:00", null)]
    [InlineData("content.hours", "08:00-08:00", null)]
    [InlineData("content.hours", "08:00-24:00", null)]
    [InlineData("content.hours", "08:00", null)]
    [InlineData("builds", "hold", "hold")]
    [InlineData("builds", "off", null)]
    public void What_a_person_writes_has_one_form_or_is_refused(string name, string text, string? expected)
    {
        var read = SettingDefinition.Find(name)!.TryRead(text, out var value);
        Assert.Equal(expected, read ? value : null);
    }

    [Theory]
    [InlineData("086400")]
    [InlineData(" 86400")]
    [InlineData("+86400")]
    [InlineData("24h")]
    public void On_the_wire_a_value_has_one_form_only(string value) => Assert.False(SettingDefinition.Find("cycle")!.Holds(value));

    [Fact]
    public void Every_default_holds_and_what_is_shown_can_be_read_again()
    {
        var numbers = Gen.Choose(0, 400).SelectMany(hundreds => Gen.Choose(0, 86_400).Select(rest => ((long)hundreds * 86_400 + rest).ToString(System.Globalization.CultureInfo.InvariantCulture)));
        Prop.ForAll(numbers.ToArbitrary(), value =>
        {
            foreach (var setting in SettingDefinition.All.Where(setting => setting.Holds(value) && setting.Unit == "s"))
            {
                Assert.True(setting.TryRead(setting.Show(value), out var again));
                Assert.Equal(value, again);
            }
        }).QuickCheckThrowOnFailure();
        Assert.All(SettingDefinition.All, setting => Assert.True(setting.Holds(setting.Default), setting.Name));
        Assert.Equal(SettingDefinition.All.Select(setting => setting.Name).Order(StringComparer.Ordinal), SettingDefinition.All.Select(setting => setting.Name));
    }

    /// <summary>The table of docs/protocol.md is this one.</summary>
    [Fact]
    public void The_document_has_every_setting_with_its_range_and_default()
    {
        var text = Repository.Read("docs/protocol.md");
        foreach (var setting in SettingDefinition.All)
            Assert.Contains($"| `{setting.Name}` | {(setting.Unit.Length == 0 ? "word" : setting.Unit)} | {setting.Range} | {setting.Show(setting.Default)} | {setting.Description} |", text, StringComparison.Ordinal);
    }
}
