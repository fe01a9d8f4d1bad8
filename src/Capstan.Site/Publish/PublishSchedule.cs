namespace Capstan.Site.Publish;

/// <summary>When the next publication is due. Pure; times are monotonic, since any fixed moment.</summary>
/// <remarks>The first change after a pause is published at once; then at least 2 s apart while devices enrol, else 60 s.</remarks>
/// <param name="Last">When something was last published; null before.</param>
/// <param name="Urgency">Of what waits; null when nothing does.</param>
internal sealed record PublishSchedule(TimeSpan? Last, PublishUrgency? Urgency)
{
    public static readonly TimeSpan EnrolmentInterval = TimeSpan.FromSeconds(2);
    public static readonly TimeSpan OrdinaryInterval = TimeSpan.FromSeconds(60);

    /// <summary>Something waits to be published. The more urgent reason counts.</summary>
    public PublishSchedule Changed(PublishUrgency urgency) => this with { Urgency = Urgency is { } known && known > urgency ? known : urgency };

    public static PublishSchedule Published(TimeSpan now) => new(now, null);

    /// <summary>When to publish; null when nothing waits. A moment in the past means now.</summary>
    public TimeSpan? Due => (Urgency, Last) switch
    {
        (null, _) => null,
        (PublishUrgency.Now, _) or (_, null) => TimeSpan.Zero,
        (PublishUrgency.Enrolment, { } last) => last + EnrolmentInterval,
        (_, { } last) => last + OrdinaryInterval,
    };
}

internal enum PublishUrgency
{
    Ordinary = 1,
    /// <summary>A device waits for its first policy.</summary>
    Enrolment = 2,
    /// <summary>A person asked, or a CAP needs a higher version.</summary>
    Now = 3,
}
