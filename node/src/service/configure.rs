//! Changes of configuration: made from what is so now, entered only if that is still so, and made anew where it is not
//! and the person did not name what it was made from.

use super::asker::Asker;
use super::edit::{Base, Edit};
use super::fault;
use super::{ocf, units};
use quorate_api::proto::{ConfigureMode, ConfigureReply, ConfigureRequest};
use quorate_api::{Fault, Reason};
use quorate_core::config::validate::validate;
use quorate_core::grammar::Mode;
use quorate_core::state::{Command, Outcome, Refusal};

/// So often a change is made from a newer revision before a person is told.
const ATTEMPTS: usize = 5;

/// A change that is entered, or was not needed.
#[derive(Clone, Debug)]
pub(super) struct Changed {
    /// Its log index; of a change that was not needed, that of the state it was compared with.
    pub(super) index: u64,
    /// The revision now.
    pub(super) revision: u64,
    /// Empty: nothing changed.
    pub(super) diff: String,
    pub(super) warnings: Vec<String>,
}

/// Answers `Configure`.
pub(super) async fn configure(asker: &Asker, request: &ConfigureRequest) -> Result<ConfigureReply, Fault> {
    let mode = mode(request)?;
    asker.settle().await?;
    let make = |base: &Base| base.edit(&request.text, mode, request.force);
    if request.dry_run {
        let base = asker.cluster.state(Base::of);
        check_base(&base, request.base_revision)?;
        let mut edit = make(&base)?;
        ask_agents(asker, &mut edit, request.force).await?;
        return Ok(ConfigureReply { revision: edit.revision, diff: edit.diff, warnings: edit.warnings });
    }
    let changed = change(asker, request.base_revision, request.force, make).await?;
    Ok(ConfigureReply { revision: changed.revision, diff: changed.diff, warnings: changed.warnings })
}

/// Enters what `make` makes of the current configuration; `settle` comes before.
pub(super) async fn change(
    asker: &Asker,
    wanted: Option<u64>,
    force: bool,
    make: impl Fn(&Base) -> Result<Edit, Fault>,
) -> Result<Changed, Fault> {
    for attempt in 0..ATTEMPTS {
        // The log keeps a refusal as the answer to its request: what is tried anew needs a name of its own.
        let asker = if attempt == 0 { asker.clone() } else { asker.named(&attempt.to_string()) };
        match asker.answered() {
            Ok(None) => {}
            Ok(Some((index, Outcome::Revision(number)))) => return Ok(recall(&asker, index, number)),
            Ok(Some((_, other))) => return Err(another_request(&other)),
            Err(fault) if fault.reason == Reason::Stale && wanted.is_none() && asker.is_remembered() => continue,
            Err(fault) => return Err(fault),
        }
        let base = asker.cluster.state(Base::of);
        check_base(&base, wanted)?;
        let mut edit = make(&base)?;
        ask_agents(&asker, &mut edit, force).await?;
        if edit.patch.is_empty() {
            return Ok(Changed {
                index: edit.index,
                revision: edit.revision,
                diff: String::new(),
                warnings: edit.warnings,
            });
        }
        let command = Command::Configure {
            actor: asker.actor.clone(),
            base: edit.revision,
            patch: Box::new(edit.patch),
            diff: edit.diff.clone(),
        };
        let proposed = asker.cluster.change(asker.request.clone(), command).await;
        match proposed.map_err(|error| fault::unproposed(&error))? {
            (index, Outcome::Revision(revision)) => {
                return Ok(Changed { index, revision, diff: edit.diff, warnings: edit.warnings });
            }
            (index, Outcome::Refused(Refusal::Stale(why))) => {
                if wanted.is_some() || !(asker.cluster.state(|state| state.index) >= index && asker.is_remembered()) {
                    return Err(fault::refused(&Refusal::Stale(why)));
                }
            }
            (_, Outcome::Refused(refusal)) => return Err(fault::refused(&refusal)),
            (_, other) => return Err(another_request(&other)),
        }
    }
    Err(Fault::new(Reason::Stale, "others change the configuration faster than this change can be made")
        .hint("try again in a moment"))
}

/// What the agents of OCF resources say of it.
async fn ask_agents(asker: &Asker, edit: &mut Edit, force: bool) -> Result<(), Fault> {
    let said = ocf::check(&asker.cluster.agents, &edit.ocf, &edit.op_defaults, force).await?;
    edit.warnings.extend(said);
    edit.warnings.extend(units::check(&asker.cluster, &edit.ocf, &edit.op_defaults, force).await?);
    Ok(())
}

/// What this request did, when it is asked again.
fn recall(asker: &Asker, index: u64, revision: u64) -> Changed {
    let (diff, config) = asker.cluster.state(|state| {
        let entry = state.revisions.iter().find(|entry| entry.number == revision);
        (entry.map(|entry| entry.diff.clone()).unwrap_or_default(), state.config.clone())
    });
    let warnings = validate(&config).warnings.iter().map(ToString::to_string).collect();
    Changed { index, revision, diff, warnings }
}

fn check_base(base: &Base, wanted: Option<u64>) -> Result<(), Fault> {
    match wanted {
        Some(wanted) if wanted != base.revision => Err(Fault::new(
            Reason::Stale,
            format!(
                "the configuration is at revision {} by now, and this change was made from {wanted}",
                base.revision
            ),
        )
        .hint("look at it again with `qrm configure show`, and repeat the change")),
        _ => Ok(()),
    }
}

fn another_request(outcome: &Outcome) -> Fault {
    let message = format!("this request id was used for something else already, which was answered {outcome:?}");
    fault::invalid(message, "each change needs an id of its own")
}

fn mode(request: &ConfigureRequest) -> Result<Mode, Fault> {
    match ConfigureMode::try_from(request.mode) {
        Ok(ConfigureMode::Add) => Ok(Mode::Add),
        Ok(ConfigureMode::Replace) => Ok(Mode::Replace),
        Ok(ConfigureMode::Update) => Ok(Mode::Update),
        Err(_) => Err(fault::invalid(format!("there is no configure mode {}", request.mode), "use 0, 1 or 2")),
    }
}
