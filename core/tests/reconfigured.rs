//! What a change of its configuration means for what runs already.

mod story;

use std::time::Duration;
use story::Story;

#[test]
fn operations_are_as_configured_now_and_parameters_as_at_the_start() {
    let text = "property stonith-enabled=false\n\
                primitive a ocf:heartbeat:Dummy params state=/run/a op stop timeout=5s\nlocation here a inf: n1";
    let mut story = Story::of(&["n1", "n2"], text);
    story.settle();
    story.configure("monitor a 7s:9s\nset a.state /run/b");
    let runs = story.state.definition(&"a".into(), &"n1".into()).expect("it runs");
    let defaults = &story.state.config.op_defaults;
    let monitors: Vec<Duration> = runs.monitors(defaults).iter().map(|monitor| monitor.interval).collect();
    assert_eq!(monitors, [Duration::from_secs(7)]);
    assert_eq!(runs.operation("stop", defaults).timeout, Duration::from_secs(5));
    assert_eq!(runs.params["state"], "/run/a", "what it is stopped by is what it was started with");
}
