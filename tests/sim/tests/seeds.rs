//! A fixed set of seeds, and that a seed is one run and no other.

use quorate_sim::{Counts, Mistake, Options, run};

fn counted(seeds: std::ops::Range<u64>, options: Options) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        let run = run(seed, options);
        assert!(run.failure.is_none(), "seed {seed}: {}", run.failure.expect("it is there"));
        counts += run.counts;
    }
    counts
}

#[test]
fn no_promise_is_broken_whatever_goes_wrong() {
    let counts = counted(1..25, Options::default());
    // What nothing happens to keeps every promise.
    let happened = [
        ("power cuts", counts.power_cuts),
        ("freezes", counts.freezes),
        ("daemons killed", counts.daemon_kills),
        ("VM crashes", counts.crashes),
        ("recoveries", counts.recoveries),
        ("handovers", counts.handovers),
        ("nodes lost", counts.lost),
        ("proofs by power", counts.power_proofs),
        ("hosts switched off", counts.device_offs),
        ("disks that ran full", counts.full_disks),
        ("leaders that made way for want of room", counts.made_way),
    ];
    for (what, count) in happened {
        assert!(count > 0, "there were no {what}: {counts}");
    }
    assert!(counts.leaders > 24, "leadership never moved: {counts}");
}

#[test]
fn five_hosts_keep_them_too() {
    counted(100..106, Options { nodes: Some(5), ..Options::default() });
}

#[test]
fn a_seed_replays_identically() {
    for seed in [3, 7, 11] {
        let options = Options { trace: true, ..Options::default() };
        let (first, second) = (run(seed, options), run(seed, options));
        assert_eq!(first.trace, second.trace);
        assert_eq!(first.fingerprint, second.fingerprint);
        // Watching changes nothing.
        assert_eq!(first.fingerprint, run(seed, Options::default()).fingerprint);
        assert_ne!(first.fingerprint, run(seed + 1, Options::default()).fingerprint);
    }
}

/// The others need more seeds: `quorate-sim --mistakes` runs them all.
#[test]
fn planted_mistakes_are_caught() {
    for mistake in [Mistake::SkipVerify, Mistake::LostIsDead, Mistake::SkipOneCopy, Mistake::UnknownIsStopped] {
        let options = Options { mistake: Some(mistake), ..Options::default() };
        assert!((1..101).any(|seed| run(seed, options).failure.is_some()), "{mistake} is not caught");
    }
}
