using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;
using Capstan.Testing;

namespace Capstan.Tests.Golden;

/// <summary>One document of each kind, with every member set. The files in <c>Golden/V1</c> are these, and docs/protocol.md shows them.</summary>
internal static class Examples
{
    public static DeviceId Device { get; } = DeviceId.FromKey(FixedKeys.DeviceSigning.Public);

    public static SiteDescription SiteDescription { get; } = new()
    {
        SiteCode = "ABC",
        Epoch = 1,
        SealingKey = FixedKeys.SiteSealing.Public,
        ReceiptsKey = FixedKeys.SiteReceipts.Public,
    };

    public static CapList CapList { get; } = new()
    {
        SiteCode = "ABC",
        Caps =
        [
            new CapEntry
            {
                Path = """MSWNET:["SMS_SITE=ABC"]\\fs1\cap\""",
                Licensing = "per-server:20",
                Headroom = 4,
                Aliases = ["fs1.example.com", "192.0.2.10"],
                MeanHoldSeconds = 1.5,
                PollIntervalSeconds = 600,
            },
            new CapEntry { Path = """LOCAL:\\srv\cap\""" },
        ],
    };

    public static Policy Policy { get; } = new()
    {
        SiteCode = "ABC",
        DeviceId = Device.Value,
        State = "approved",
        Certificate = new DeviceCertificate
        {
            DeviceId = Device.Value,
            SigningKey = FixedKeys.DeviceSigning.Public,
            SealingKey = FixedKeys.DeviceSealing.Public,
            Ordinal = 41,
            IssuedAt = 1_795_348_800,
            ExpiresAt = 1_826_884_800,
        },
        Advertisements = ["abc20001", "abc20007"],
    };

    public static PolicySecrets PolicySecrets { get; } = new() { Accounts = [new AccountSecret("capclient-2", "an example, \"not\" a password")] };

    public static PackageManifest PackageManifest { get; } = new()
    {
        SiteCode = "ABC",
        PackageId = "k3fq7zbm",
        PackageVersion = 2,
        Name = "Firefox",
        SizeBytes = 257_812_345,
        FileCount = 93,
        Tree = new PackageTree(new string('a', 64), 36_000,
        [
            new PackageExtent(new string('b', 64), 16_012_345, [new StoredChunk(8_211, 17_000, ContentHash.Parse(new string('c', 64))), new StoredChunk(9_000, 9_000, ContentHash.Parse(new string('d', 64)))]),
            new PackageExtent(new string('e', 64), 0, [new StoredChunk(4_711, 10_000, ContentHash.Parse(new string('f', 64)))]),
        ]),
    };

    public static Receipts Receipts { get; } = new()
    {
        SiteCode = "ABC",
        Epoch = 1,
        Revision = 7,
        Bin = Device.Bin,
        Devices = [new Receipt(Device.Value, 12, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", [ItemKind.HardwareInventory])],
    };

    public static EnrolmentToken EnrolmentToken { get; } = new()
    {
        SiteCode = "ABC",
        RootHash = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
        RootVersion = 1,
        Caps = ["""MSWNET:["SMS_SITE=ABC"]\\fs1\cap\"""],
        TokenId = "t3st",
        Secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    };

    public static ConfigurationRequest ConfigurationRequest { get; } = new()
    {
        TokenId = EnrolmentToken.TokenId,
        TokenSecret = EnrolmentToken.Secret,
        SigningKey = FixedKeys.DeviceSigning.Public,
        SealingKey = FixedKeys.DeviceSealing.Public,
        HostName = "büro-7",
        OperatingSystem = "Debian GNU/Linux 12 (bookworm)",
        ClientVersion = "0.1.0",
    };

    public static Heartbeat Heartbeat { get; } = new()
    {
        HostName = "büro-7",
        OperatingSystem = "Debian GNU/Linux 12 (bookworm)",
        ClientVersion = "0.1.0",
        PolicyVersion = 1_795_348_801,
        Addresses = ["192.0.2.71", "2001:db8::71"],
        Components = [new ComponentState("configuration", "ok", null), new ComponentState("hardware-inventory", "failed", "/sys is not mounted")],
    };

    public static StatusMessage StatusMessage { get; } = new()
    {
        Severity = "warning",
        Code = "policy_invalid",
        Component = "configuration",
        Text = "timestamp.json: version 12 after version 14; the last good policy stays in force; next look 14:32:10",
        ReportedAt = 1_795_348_800_123,
        Count = 3,
    };

    public static SealingKeyChange SealingKeyChange { get; } = new() { Order = 1_795_348_800, SealingKey = FixedKeys.DeviceSealing.Public };

    public static Diagnosis Diagnosis { get; } = new()
    {
        Order = 1_795_348_800,
        MadeAt = 1_795_348_800_123,
        Facts = [new DiagnosisFact("waiting", "waiting for a connection: FS1 20 of 20, next try 14:32:10")],
        Selection = ["""MSWNET:\\fs1\cap\: server FS1 is full (20 of 20 connections) (random order)"""],
        Connections = [],
        Log = ["The site has acknowledged 1 records, up to 1"],
    };

    public static Advertisement Advertisement { get; } = new()
    {
        SiteCode = "ABC",
        AdvertisementId = "k7q2m6xw",
        Revision = 2,
        Name = "Firefox for the lab",
        Offer = new ProgramOffer
        {
            PackageId = "pzn4c2ha",
            PackageVersion = 3,
            PackageName = "Firefox",
            Program = new ProgramRules
            {
                Name = "install",
                Command = ["bin/setup.sh", "--quiet", ""],
                WorkingDirectory = "bin",
                Environment = [new EnvironmentVariable("LANG", "C.UTF-8")],
                RunAs = ProgramRules.AsSystem,
                Platforms = ["linux-x64"],
                FreeDiskBytes = 1_000_000_000,
                MemoryBytes = 0,
                TimeLimitSeconds = 3_600,
                WaitsForChildren = true,
                SuccessCodes = [0],
                RebootCodes = [3010, 1641],
                RetryCodes = [75],
                MaxTries = 5,
                RetrySeconds = 3_600,
                AfterRun = ProgramRules.Reboot,
                Rerun = ProgramRules.OnNewVersion,
                Removal = new ProgramRemoval { Command = ["bin/remove.sh"] },
                NoticeSeconds = 300,
                MaxPostponements = 2,
            },
            First = new ProgramOffer
            {
                PackageId = "a2b3c4d5",
                PackageVersion = 1,
                PackageName = "Fonts",
                Program = new ProgramRules
                {
                    Name = "fonts",
                    Native = new NativePackage { Format = NativePackage.Deb, Action = NativePackage.Install, File = "fonts.deb", Package = "fonts-lab" },
                    RunAs = ProgramRules.AsSystem,
                    FreeDiskBytes = 0,
                    MemoryBytes = 0,
                    TimeLimitSeconds = 3_600,
                    WaitsForChildren = false,
                    SuccessCodes = [0],
                    RebootCodes = [],
                    RetryCodes = [],
                    MaxTries = 1,
                    RetrySeconds = 3_600,
                    AfterRun = ProgramRules.Nothing,
                    Rerun = ProgramRules.IfFailed,
                    NoticeSeconds = 0,
                    MaxPostponements = 0,
                },
            },
        },
        Purpose = Advertisement.Required,
        State = Advertisement.Active,
        StartAt = 1_795_348_800,
        Deadline = 1_795_953_600,
        ExpiresAt = 1_798_000_000,
        Recurrence = new Recurrence { MinuteOfDay = 1_320, DaysOfWeek = [6], TimeZone = Recurrence.Local },
        Priority = 500,
        Rings = [new RolloutRing(5, 1_795_348_800), new RolloutRing(100, 1_795_435_200)],
        OverSlowLinks = false,
        OverUnknownLinks = true,
    };

    public static ProgramsReport ProgramsReport { get; } = new()
    {
        MadeAt = 1_795_348_800_123,
        Advertisements =
        [
            new AdvertisementState
            {
                AdvertisementId = "k7q2m6xw",
                Revision = 2,
                State = ProgramState.Failed,
                Reason = "setup.sh ended with 3, which is no success; next try 15:32:10",
                Cause = "exit-code",
                Since = 1_795_348_800_000,
                NextTry = 1_795_352_400,
                HereBytes = 133_000_000,
                TotalBytes = 133_000_000,
                Source = """MSWNET:\\fs1\cap\""",
                LastRun = new ProgramRun { Number = 1, PackageVersion = 3, StartedAt = 1_795_348_700_000, EndedAt = 1_795_348_800_000, Outcome = ProgramRun.Retry, ExitCode = 3, Output = "no space left\n" },
            },
            new AdvertisementState { AdvertisementId = "zzzzzzz7", Revision = 1, State = ProgramState.Shown, Since = 1_795_348_700_000 },
        ],
    };

    public static Departure Departure { get; } = new() { SiteCode = "XYZ" };

    public static ClientBuilds ClientBuilds { get; } = new()
    {
        SiteCode = "ABC",
        Builds =
        [
            new ClientBuild
            {
                Platform = "linux-x64",
                Version = "0.2.0",
                Order = 1_795_348_800,
                Downgrade = false,
                SpreadSeconds = 1_300,
                Files =
                [
                    new BuildFile("capstan-client", true, 28_743_974, Hash('a'), Layout.BuildFileTarget(Hash('a'))),
                    new BuildFile("libe_sqlite3.so", false, 1_434_496, Hash('b'), Layout.BuildFileTarget(Hash('b'))),
                ],
            },
            new ClientBuild { Platform = "win-x64", Version = "package", Order = 1_795_262_400, Downgrade = true, SpreadSeconds = 0, Files = [] },
        ],
    };

    public static CapUse CapUse { get; } = new()
    {
        Hours =
        [
            new CapUseHour("""MSWNET:["SMS_SITE=ABC"]\\fs1\cap\""", 1_795_348_800, 6, 7_310, 2),
            new CapUseHour("""LOCAL:\\srv\cap\""", 1_795_352_400, 12, 0, 0),
        ],
    };

    public static HardwareInventory HardwareInventory { get; } = new()
    {
        System = new ComputerSystem("büro-7", "example.com", "QEMU", "Standard PC (Q35 + ICH9, 2009)", "S-1", "0d3f6c1e-0000-4000-8000-000000000071", "kvm"),
        OperatingSystem = new OperatingSystemFacts("Debian GNU/Linux 12 (bookworm)", "12", "debian", "6.1.0-18-amd64", "x86_64", 1_795_300_000, "0123456789abcdef0123456789abcdef", "Europe/Berlin"),
        Bios = new BiosFacts("SeaBIOS", "1.16.2", "04/01/2014"),
        Board = new BoardFacts("Example", "Board", "1", "B-1"),
        Chassis = new ChassisFacts("desktop", "Example", "C-1", "A-71"),
        Processors = [new Processor("Intel(R) Xeon(R) E-2276G", "GenuineIntel", 6, 12, 4900, 12_582_912)],
        Memory = new MemoryFacts(17_179_869_184, 0, [new MemoryModule("DIMM 0", 17_179_869_184, "DDR4", 2666, "Samsung", "M391A2K43BB1-CTD", "M-1")]),
        Disks = [new Disk("nvme0n1", "SAMSUNG MZVLB512", "D-1", 512_110_190_592, "ssd", "nvme", [new Partition("nvme0n1p1", 536_870_912, "1A2B-3C4D", "EFI")])],
        FileSystems = [new FileSystemFacts("/", "/dev/nvme0n1p2", "ext4", 500_000_000_000, 123_456_789_012, false)],
        NetworkAdapters = [new NetworkAdapter("enp1s0", "52:54:00:12:34:56", "e1000e", true, 1000, 1500, ["192.0.2.71/24", "2001:db8::71/64"])],
        PciDevices = [new PciDevice("0000:00:02.0", "8086", "3e96", "030000", "Intel Corporation", "CoffeeLake-S GT2", "i915")],
        UsbDevices = [new UsbDevice("1-4", "046d", "c31c", "Logitech", "Keyboard K120", "U-1")],
        Video = [new VideoAdapter("Intel Corporation CoffeeLake-S GT2", "i915", ["HDMI-A-1"])],
        LoggedOnUsers = [new LoggedOnUser("anna", "tty2", "192.0.2.9", 1_795_340_000)],
        Unread = [new UnreadSource("/sys/firmware/dmi/tables/DMI", "permission denied")],
    };

    public static HardwareInventory SparseHardwareInventory { get; } = new()
    {
        System = new ComputerSystem("büro-8", null, null, null, null, null, null),
        OperatingSystem = new OperatingSystemFacts("Debian", null, null, "6.1.0", "x86_64", null, null, null),
        Processors = [new Processor("unknown", null, 1, 1, null, null)],
        Memory = new MemoryFacts(1, 0, [new MemoryModule(null, 1, null, null, null, null, null)]),
    };

    public static SoftwareInventory SoftwareInventory { get; } = new()
    {
        Packages =
        [
            new InstalledPackage("bash", "5.2.15-2+b2", "amd64", "Matthias Klose <doko@debian.org>", 1_700_000_000, "dpkg", "GNU Bourne Again SHell", 7_340_032),
            new InstalledPackage("gpg-pubkey", "fd431d51", null, null, null, "rpm", null, null),
        ],
        Unread = [new UnreadSource("/var/lib/rpm/Packages", "no tool reads it")],
    };

    public static Upload Upload { get; } = NewUpload(Documents.ConfigurationRequest.ToItem(ConfigurationRequest), Documents.Heartbeat.ToItem(Heartbeat), Documents.StatusMessage.ToItem(StatusMessage));

    public static Upload NewUpload(params UploadItem[] items) => new()
    {
        SiteCode = "ABC",
        Epoch = 1,
        Recipient = FixedKeys.SiteSealing.Public.Thumbprint(),
        DeviceId = Device.Value,
        Sequence = 1,
        Previous = Capstan.Protocol.V1.Upload.NoPrevious,
        CreatedAt = 1_795_348_800_123,
        InstallNonce = "AAECAwQFBgcICQoLDA0ODw",
        Items = items,
    };

    private static string Hash(char digit) => new(digit, 64);
}
