//! Mistakes that can be planted to see the simulation catch them. Without the feature `planted` none can be.

use std::fmt;

macro_rules! mistakes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A rule of SAFETY.md that can be broken on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mistake { $($(#[$doc])* $name,)* }

        impl Mistake {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

mistakes! {
    /// A fence counts as verified when the device acknowledged the off.
    SkipVerify = "skip-verify",
    /// A verified off counts for whatever session the node is in by now.
    IgnoreSession = "ignore-session",
    /// Claims are granted to any incarnation, on a plan of any.
    IgnoreIncarnation = "ignore-incarnation",
    /// An observation is taken whatever operation began since.
    TrustLateMonitor = "trust-late-monitor",
    /// A worker acts on a grant it sees in the state.
    ReplayGrant = "replay-grant",
    /// A start is planned and granted while the resource may be active elsewhere.
    SkipOneCopy = "skip-one-copy",
    /// A promotion is planned and granted beside what may be promoted.
    PromoteUnchecked = "promote-unchecked",
    /// A lost node's resources count as stopped.
    LostIsDead = "lost-is-dead",
    /// A hello is taken whatever incarnation it follows.
    HelloWithoutCompare = "hello-without-compare",
    /// A node is switched on again before the proof that it was off.
    OnBeforeProof = "on-before-proof",
    /// A node returns while a grant to switch it off is open.
    AdmitUnderGrant = "admit-under-grant",
    /// An off is sent without a look at its deadline.
    IgnoreSendBy = "ignore-send-by",
    /// What could not be looked at counts as stopped.
    UnknownIsStopped = "unknown-is-stopped",
    /// A predecessor's actions are not killed when a daemon starts.
    LeaveChildren = "leave-children",
    /// A VM is resumed without a second look at its claim.
    ResumeUnchecked = "resume-unchecked",
    /// The hypervisor itself lets the target of a migration run.
    UnpausedMigration = "unpaused-migration",
    /// A copy that came in is let run without the migration's word that its source is gone.
    HandoverWithoutGone = "handover-without-gone",
    /// An answer to a question asked before a proof of death counts as a sign of life after it.
    BelieveBuffered = "believe-buffered",
    /// A judgement is brought into the log however old it is by then, and by whoever leads by then.
    JudgeLate = "judge-late",
    /// A member whose store was lost votes on under its old raft id.
    KeepRaftId = "keep-raft-id",
    /// A store that is older than what was seen of it is taken for what it is not.
    TakeAnyStore = "take-any-store",
    /// A refusal of what a store has left behind since counts as one of the store.
    HeedOldNews = "heed-old-news",
    /// A member is removed whatever may be active on it.
    RemoveActive = "remove-active",
    /// A host that shuts down says goodbye though something may be active on it.
    GoodbyeTooSoon = "goodbye-too-soon",
    /// A witness is taken for a host.
    WitnessIsHost = "witness-is-host",
    /// What is there and does not work counts as stopped.
    FailedIsStopped = "failed-is-stopped",
    /// The proof of a lost node is waived for every OCF resource.
    WaiveEveryProof = "waive-every-proof",
    /// Where a proof is waived, it is waived beside nodes that live too.
    WaiveBesideLiving = "waive-beside-living",
    /// A stop that did not end took what it was to stop along.
    NoEndIsStopped = "no-end-is-stopped",
    /// The storm brake holds no fence up.
    IgnoreBrake = "ignore-brake",
    /// A ban keeps nothing away.
    IgnoreBan = "ignore-ban",
    /// A node gets new resources whose fence device has passed no drill.
    StartUntested = "start-untested",
    /// What was read of a fence device before it was changed counts as what it is now.
    DrillOfAnother = "drill-of-another",
    /// A leader answers beats without asking a majority whether it still leads.
    FeedWithoutQuorum = "feed-without-quorum",
    /// A leader answers beats of a session that is to be fenced.
    FeedTheCondemned = "feed-the-condemned",
    /// A watchdog is waited for from when the fence was wanted, and only for its own timeout.
    WatchdogTooEarly = "watchdog-too-early",
    /// A watchdog is closed before that is in the log.
    CloseBeforeDisarm = "close-before-disarm",
    /// Instances of a clone are told of what was to be done, whether it was or not.
    TellTheUndone = "tell-the-undone",
    /// A notice counts as told when it was granted.
    PayBeforeTold = "pay-before-told",
    /// A watchdog in software, or one that was never seen to work, proves something.
    DogProvesAnyway = "dog-proves-anyway",
    /// A host feeds its watchdog on though it has read a pill.
    SurvivePills = "survive-pills",
    /// Whether the host reads the disk on which a pill is left is not looked at.
    PillUnmarked = "pill-unmarked",
    /// A watchdog whose host reads slots is waited for without a pill.
    PillUnsent = "pill-unsent",
    /// Whether the pill was there all the time is not looked at after the wait.
    PillTakenAway = "pill-taken-away",
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mistake>> = const { std::cell::Cell::new(None) };
}

/// Plants a mistake for what this thread does from here on, or takes it out.
#[cfg(feature = "planted")]
pub fn plant(mistake: Option<Mistake>) {
    PLANTED.set(mistake);
}

/// Whether this mistake is planted: never, in what ships.
#[inline]
pub fn planted(mistake: Mistake) -> bool {
    #[cfg(feature = "planted")]
    return PLANTED.get() == Some(mistake);
    #[cfg(not(feature = "planted"))]
    {
        let _ = mistake;
        false
    }
}
