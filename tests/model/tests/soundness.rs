//! What makes the exploration small loses nothing: renaming, and forgetting hopeless messages. Checked
//! against explorations that do without, on configurations small enough for that.

use std::collections::HashSet;

use quorate_model::rules::Rules;
use quorate_model::scope::Scope;
use quorate_model::state::{Budget, Harm, Size, State};
use quorate_model::{Judge, Protocol};
use stateright::Model;

fn protocol(size: (u8, u8), budget: Budget) -> Protocol {
    let size = Size { nodes: size.0, resources: size.1 };
    Protocol { size, budget, ..Scope::Claims.protocol(Rules::all()) }
}

fn samples() -> Vec<Protocol> {
    let none = Budget::default();
    vec![
        protocol((2, 1), Budget { claims: 3, monitors: 1, restarts: 1, cuts: 1, boots: 1, ..none }),
        protocol((3, 2), Budget { claims: 2, cuts: 1, losses: 1, ..none }),
        protocol((2, 1), Budget { claims: 3, migrations: 1, restarts: 1, ..none }),
        protocol((3, 1), Budget { claims: 1, losses: 1, grants: 1, call_offs: 1, boots: 1, confirms: 1, ..none }),
    ]
}

/// Every reachable state, told apart by `key`.
fn reachable<K: std::hash::Hash + Eq>(protocol: &Protocol, key: impl Fn(&State) -> K) -> Vec<State> {
    let mut seen = HashSet::new();
    let mut all = protocol.init_states();
    let mut next = 0;
    seen.insert(key(&all[0]));
    while next < all.len() {
        for state in protocol.next_states(&all[next]) {
            if seen.insert(key(&state)) {
                all.push(state);
            }
        }
        next += 1;
    }
    all
}

#[test]
fn renaming_loses_no_state() {
    for protocol in samples() {
        let full = reachable(&protocol, |state| format!("{state:?}"));
        let renamed = reachable(&protocol, State::fingerprint);
        eprintln!("{} states, {} up to renaming", full.len(), renamed.len());
        let prints = |states: &[State]| states.iter().map(State::fingerprint).collect::<HashSet<_>>();
        assert!(renamed.len() < full.len());
        assert_eq!(prints(&full), prints(&renamed));
    }
}

#[test]
fn forgetting_hopeless_messages_loses_no_behaviour() {
    for protocol in samples() {
        let mut rules = Rules::all();
        rules.keep_hopeless = true;
        let keeping = Protocol { rules, judge: Judge::All, ..protocol };
        // A message without effect costs budget and is all that may differ.
        let bare = |states: Vec<State>| {
            let strip = |state: State| State { network: Vec::new(), left: Budget::default(), ..state };
            states.into_iter().map(|state| strip(state).fingerprint()).collect::<HashSet<_>>()
        };
        let (kept, forgot) = (reachable(&keeping, State::fingerprint), reachable(&protocol, State::fingerprint));
        eprintln!("{} states with all messages, {} without the hopeless", kept.len(), forgot.len());
        assert!(kept.len() > forgot.len());
        assert!(kept.iter().all(|state| state.harm == Harm::default()));
        assert_eq!(bare(kept), bare(forgot));
    }
}
