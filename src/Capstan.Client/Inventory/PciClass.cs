namespace Capstan.Client.Inventory;

/// <summary>Names of PCI base and sub-classes (PCI Code and ID Assignment Specification 1.16, section 1), in the words of pci.ids.</summary>
internal static class PciClass
{
    public const uint Display = 0x03;

    /// <param name="code">24 bits: base class, sub-class, programming interface.</param>
    public static string Name(uint code) => ((code >> 8) & 0xFFFF) switch
    {
        0x0001 => "Non-VGA unclassified device",
        0x0100 => "SCSI storage controller", 0x0101 => "IDE interface", 0x0104 => "RAID bus controller", 0x0105 => "ATA controller", 0x0106 => "SATA controller",
        0x0107 => "Serial Attached SCSI controller", 0x0108 => "Non-Volatile memory controller", 0x0109 => "Universal Flash Storage controller", 0x0180 => "Mass storage controller",
        0x0200 => "Ethernet controller", 0x0207 => "Infiniband controller", 0x0208 => "Fabric controller", 0x0280 => "Network controller",
        0x0300 => "VGA compatible controller", 0x0301 => "XGA compatible controller", 0x0302 => "3D controller", 0x0380 => "Display controller",
        0x0400 => "Multimedia video controller", 0x0401 => "Multimedia audio controller", 0x0403 => "Audio device", 0x0480 => "Multimedia controller",
        0x0500 => "RAM memory", 0x0501 => "FLASH memory", 0x0502 => "CXL", 0x0580 => "Memory controller",
        0x0600 => "Host bridge", 0x0601 => "ISA bridge", 0x0604 => "PCI bridge", 0x0607 => "CardBus bridge", 0x0609 => "Semi-transparent PCI-to-PCI bridge", 0x0680 => "Bridge",
        0x0700 => "Serial controller", 0x0701 => "Parallel controller", 0x0703 => "Modem", 0x0780 => "Communication controller",
        0x0800 => "PIC", 0x0801 => "DMA controller", 0x0802 => "Timer", 0x0803 => "RTC", 0x0805 => "SD Host controller", 0x0806 => "IOMMU", 0x0880 => "System peripheral",
        0x0900 => "Keyboard controller", 0x0902 => "Mouse controller", 0x0980 => "Input device controller",
        0x0C00 => "FireWire (IEEE 1394)", 0x0C03 => "USB controller", 0x0C04 => "Fibre Channel", 0x0C05 => "SMBus", 0x0C06 => "InfiniBand", 0x0C07 => "IPMI Interface", 0x0C80 => "Serial bus controller",
        0x0D00 => "IRDA controller", 0x0D11 => "Bluetooth", 0x0D20 => "802.1a controller", 0x0D21 => "802.1b controller", 0x0D80 => "Wireless controller",
        0x1000 => "Network and computing encryption device", 0x1010 => "Entertainment encryption device", 0x1080 => "Encryption controller",
        0x1101 => "Performance counters", 0x1180 => "Signal processing controller", 0x1200 => "Processing accelerators",
        _ => BaseName(code >> 16),
    };

    private static string BaseName(uint code) => code switch
    {
        0x00 => "Unclassified device", 0x01 => "Mass storage controller", 0x02 => "Network controller", 0x03 => "Display controller", 0x04 => "Multimedia controller",
        0x05 => "Memory controller", 0x06 => "Bridge", 0x07 => "Communication controller", 0x08 => "Generic system peripheral", 0x09 => "Input device controller",
        0x0A => "Docking station", 0x0B => "Processor", 0x0C => "Serial bus controller", 0x0D => "Wireless controller", 0x0E => "Intelligent controller",
        0x0F => "Satellite communications controller", 0x10 => "Encryption controller", 0x11 => "Signal processing controller", 0x12 => "Processing accelerators",
        0x13 => "Non-Essential Instrumentation", 0x40 => "Coprocessor", _ => "Unassigned class",
    };
}
