//! Every scope is explored to the end: nothing breaks, and what must be reachable is reached.

use quorate_model::check::{Effort, explore};
use quorate_model::rules::Rules;
use quorate_model::scope::Scope;

fn holds(scope: Scope) {
    let report = explore(scope.protocol(Rules::all()), Effort { threads: 1, limit: None });
    eprintln!("{:<12} {}", scope.name(), report.summary());
    for story in &report.broken {
        eprintln!("{}:\n  {}", story.property, story.steps.join("\n  "));
    }
    assert!(report.broken.is_empty(), "{}: an invariant is broken, see the story above", scope.name());
    assert!(report.missed.is_empty(), "{}: never reached: {:?}", scope.name(), report.missed);
    assert!(report.holds());
}

macro_rules! scopes {
    ($($name:ident $scope:ident)*) => {
        $(#[test] fn $name() { holds(Scope::$scope); })*

        #[test]
        fn every_scope_is_listed_here() {
            assert_eq!(Scope::all(), [$(Scope::$scope),*]);
        }
    };
}

scopes! {
    claims Claims
    fence Fence
    executor Executor
    reboot Reboot
    person Person
    migration Migration
    remigration Remigration
    cluster Cluster
    mixed Mixed
    lying Lying
}
