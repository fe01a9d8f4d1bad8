namespace Capstan.Client.Spool;

/// <summary>What an item that waits does about contacts. The numbers stand in the database, and stay.</summary>
internal enum Urgency
{
    /// <summary>Goes with the next record that something else makes.</summary>
    Quiet = 0,

    /// <summary>A contact is made for it, as soon as one may be made.</summary>
    AtOnce = 1,

    /// <summary>A record is made for it with the next contact, which comes at this device's own time: what a whole fleet has to say at one moment brings nobody to the door.</summary>
    NextContact = 2,
}
