//! `quorate-feeder`: feeds this host's watchdog for as long as the cluster's leader says so, by the daemon's word.
//!
//! Rule watchdog of SAFETY.md; the rules of feeding are `quorate_core::watchdog::Ration`. It is small, and apart from
//! the daemon, which may be restarted or die: then it feeds on for the committed grace, and not longer. It opens nothing
//! before it is told to, and closes nothing unless it is told to: its own end lets the watchdog bite.
//!
//! Where it is told of shared disks it reads its host's slots there ([`slots`]): what it finds clean feeds the watchdog as
//! an answer of the leader's does, and a pill resets the host at once.

mod device;
mod slots;

use clap::Parser;
use device::Device;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::stat::{Mode, umask};
use nix::time::{ClockId, clock_gettime};
use quorate_core::pill::{DiskSeen, Slots};
use quorate_core::time::BootTime;
use quorate_core::watchdog::{Feeder, Order, Ration, Terms};
use slots::{Pill, Readers, Seen};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How often it looks whether the device is to be fed.
const TICK: Duration = Duration::from_millis(100);
/// No order is longer.
const LONGEST: u64 = 4096;

/// Feeds this host's watchdog for as long as the cluster's leader says so.
///
/// Example: quorate-feeder --device /dev/watchdog --socket /run/quorate/feeder.sock
#[derive(Parser)]
#[command(name = "quorate-feeder", version)]
struct Options {
    /// The watchdog
    #[arg(long, default_value = "/dev/watchdog")]
    device: PathBuf,
    /// Where quorated tells it what to do; root alone may
    #[arg(long, default_value = "/run/quorate/feeder.sock")]
    socket: PathBuf,
}

/// What reaches it.
enum Input {
    Connected(u64, UnixStream),
    Said(u64, Order),
    Gone(u64),
    Read(Seen),
}

/// A device with what it may be fed by.
struct Dog {
    device: Device,
    ration: Ration,
    fed: BootTime,
    turn: u64,
    disks: Vec<DiskSeen>,
    opening: String,
    /// Kept for as long as the device is open.
    _readers: Readers,
}

struct Keeper {
    path: PathBuf,
    dog: Option<Dog>,
    /// Of the last device that was open.
    identity: String,
    was_reset: bool,
    /// Who speaks: the last that came.
    daemon: Option<(u64, UnixStream)>,
    /// How often it was opened.
    turns: u64,
    inputs: Sender<Input>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    // A feeder that waits for its own pages feeds too late.
    if let Err(error) = mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE) {
        say(&format!("its memory may be swapped out: {error}"));
    }
    match listen(&options.socket) {
        Ok((sender, inputs)) => run(&options.device, sender, &inputs),
        Err(error) => {
            say(&format!("{}: {error}", options.socket.display()));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    // Nobody reads any more when this fails.
    let _ = writeln!(io::stderr(), "quorate-feeder: {line}");
}

fn now() -> BootTime {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has a boot-time clock");
    let millis = i128::from(now.tv_sec()) * 1000 + i128::from(now.tv_nsec()) / 1_000_000;
    BootTime(u64::try_from(millis).expect("the boot-time clock is never negative"))
}

/// Takes the socket from whoever had it: a feeder that still runs has the device, which opens once.
fn listen(socket: &Path) -> io::Result<(Sender<Input>, Receiver<Input>)> {
    if let Some(dir) = socket.parent() {
        std::fs::create_dir_all(dir)?;
    }
    if UnixStream::connect(socket).is_ok() {
        return Err(io::Error::other("another feeder listens there"));
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let before = umask(Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(socket);
    umask(before);
    let listener = listener?;
    let (sender, inputs) = channel();
    let given = sender.clone();
    std::thread::spawn(move || {
        for (id, stream) in (1..).zip(listener.incoming()) {
            let Ok(stream) = stream else { continue };
            let sender = sender.clone();
            std::thread::spawn(move || follow(id, stream, &sender));
        }
    });
    Ok((given, inputs))
}

/// One daemon's orders, a line each, until it is gone.
fn follow(id: u64, stream: UnixStream, sender: &Sender<Input>) {
    let Ok(answers) = stream.try_clone() else { return };
    if sender.send(Input::Connected(id, answers)).is_err() {
        return;
    }
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        match (&mut lines).take(LONGEST).read_line(&mut line) {
            Ok(1..) => {}
            _ => break,
        }
        let Ok(order) = serde_json::from_str(&line) else { break };
        if sender.send(Input::Said(id, order)).is_err() {
            return;
        }
    }
    // The loop below lives as long as the process.
    let _ = sender.send(Input::Gone(id));
}

fn run(device: &Path, sender: Sender<Input>, inputs: &Receiver<Input>) -> ExitCode {
    let mut keeper = Keeper {
        path: device.to_owned(),
        dog: None,
        identity: String::new(),
        was_reset: false,
        daemon: None,
        turns: 0,
        inputs: sender,
    };
    loop {
        match inputs.recv_timeout(TICK) {
            Ok(input) => keeper.take(input),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return ExitCode::FAILURE,
        }
        keeper.feed();
    }
}

impl Keeper {
    fn take(&mut self, input: Input) {
        let is_current = |keeper: &Self, id: u64| keeper.daemon.as_ref().is_some_and(|(current, _)| *current == id);
        match input {
            Input::Connected(id, stream) => {
                self.unsure();
                self.daemon = Some((id, stream));
                self.tell();
            }
            Input::Said(id, order) if is_current(self, id) => self.obey(order),
            Input::Gone(id) if is_current(self, id) => {
                self.unsure();
                self.daemon = None;
            }
            Input::Read(seen) => self.read(seen),
            Input::Said(..) | Input::Gone(_) => {}
        }
    }

    fn unsure(&mut self) {
        if let Some(dog) = &mut self.dog {
            dog.ration.unsure();
        }
    }

    fn obey(&mut self, order: Order) {
        match (order, &mut self.dog) {
            (Order::Feed(until), Some(dog)) => dog.ration.answered(now(), until),
            (Order::Open { terms, until, slots }, None) => self.open(terms, until, &slots),
            (Order::Close, Some(_)) => self.close(),
            // A daemon that knows less asks again once it was told.
            (Order::Feed(_) | Order::Close, None) | (Order::Open { .. }, Some(_)) => self.tell(),
        }
    }

    fn open(&mut self, terms: Terms, until: BootTime, slots: &Slots) {
        match Device::open(&self.path, terms.timeout) {
            Ok(device) => {
                (self.identity, self.was_reset) = (device.identity.clone(), device.was_reset);
                say(&format!(
                    "{} is open ({}): this host is reset unless it is fed",
                    self.path.display(),
                    self.identity
                ));
                let at = now();
                self.turns += 1;
                let unread = |path: &String| DiskSeen { path: path.clone(), trouble: Some("not read yet".to_owned()) };
                // No other opening in this boot is called so, by this process or another.
                let opening = format!("{}.{}.{}", at.0, std::process::id(), self.turns);
                let _readers = Readers::start(self.turns, slots, &opening, &self.inputs);
                let ration = Ration::new(terms, at, until, slots.disks.len());
                let disks = slots.disks.iter().map(unread).collect();
                self.dog = Some(Dog { device, ration, fed: at, turn: self.turns, disks, opening, _readers });
            }
            Err(error) => say(&error.to_string()),
        }
        self.tell();
    }

    fn close(&mut self) {
        let Some(dog) = self.dog.take() else { return };
        match dog.device.close() {
            Ok(()) => say(&format!("{} is closed", self.path.display())),
            Err(error) => say(&format!("{} cannot be closed in order, and bites: {error}", self.path.display())),
        }
        self.tell();
    }

    fn read(&mut self, seen: Seen) {
        let Some(dog) = self.dog.as_mut().filter(|dog| dog.turn == seen.turn) else { return };
        let trouble = match seen.found {
            Ok(None) => {
                dog.ration.clean(seen.disk, seen.begun);
                None
            }
            Ok(Some(pill)) => {
                dog.ration.poison();
                return swallow(&dog.device, &pill);
            }
            Err(why) => Some(why),
        };
        let Some(disk) = dog.disks.get_mut(seen.disk).filter(|disk| disk.trouble != trouble) else { return };
        match &trouble {
            Some(why) => say(&format!("the slot on {} cannot be read: {why}", disk.path)),
            None => say(&format!("the slot on {} is read", disk.path)),
        }
        disk.trouble = trouble;
        self.tell();
    }

    /// The daemon is told how things stand.
    fn tell(&mut self) {
        let open = self.dog.as_ref().map(|dog| dog.ration.terms());
        let disks = self.dog.as_ref().map(|dog| dog.disks.clone()).unwrap_or_default();
        let opening = self.dog.as_ref().map(|dog| dog.opening.clone()).unwrap_or_default();
        let feeder = Feeder { identity: self.identity.clone(), was_reset: self.was_reset, open, disks, opening };
        let Ok(line) = serde_json::to_string(&feeder) else { return };
        if let Some((_, stream)) = &mut self.daemon {
            // Who does not listen is seen to be gone by the thread that reads.
            let _ = stream.write_all(format!("{line}\n").as_bytes());
        }
    }

    fn feed(&mut self) {
        let Some(dog) = &mut self.dog else { return };
        let at = now();
        let pause = (dog.ration.terms().timeout / 4).min(Duration::from_secs(1));
        if at.since(dog.fed) < pause || !dog.ration.may_feed(at) {
            return;
        }
        match dog.device.feed() {
            Ok(()) => dog.fed = at,
            Err(error) => say(&format!("{} takes nothing: {error}", self.path.display())),
        }
    }
}

/// This host is to die. Where the kernel does not do it at once, the watchdog does, for nothing feeds it any more. A
/// stand-in for a watchdog is no host of its own to reset.
fn swallow(device: &Device, pill: &Pill) {
    let (word, mode) = match pill.is_off {
        true => ("switched off", RebootMode::RB_POWER_OFF),
        false => ("reset", RebootMode::RB_AUTOBOOT),
    };
    say(&format!("a pill of {} was read: this host is {word}", pill.from));
    if device.is_real
        && let Err(error) = reboot(mode)
    {
        say(&format!("the kernel does not do it ({error}): the watchdog will"));
    }
}
