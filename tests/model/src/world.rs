//! Ground truth: hosts, daemons, virtual machines, running actions, datagrams to power devices.
//!
//! Nothing here asks the log. What a host does without a daemon (libvirt finishing a migration, a VM
//! dying) happens here too.

use crate::message::{Found, Sender};
use crate::rules::{Rule, Rules};
use crate::state::{BootId, Grant, MAX_NODES, MAX_RESOURCES, NodeId, Number, Process, ResourceId, Size};

/// One host and its daemon. While the host is up a daemon runs; killing it starts the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// It has power.
    pub up: bool,
    /// Its current or last boot.
    pub boot: BootId,
    /// Its current or last daemon.
    pub process: Process,
}

/// A virtual machine on one host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vm {
    /// Not there.
    #[default]
    None,
    /// Its CPUs run.
    Running,
    /// Source of a migration after the switch: paused, until libvirt destroys or resumes it.
    Leaving,
    /// Target of a migration before the switch: its memory is incomplete.
    Arriving,
    /// Target after the switch: complete and paused.
    Whole,
    /// Complete and paused, but the machine has run elsewhere since.
    Outdated,
    /// Ran here when the host lost power: nothing runs, kept to tell a recovery from a first start.
    CutOff,
}

impl Vm {
    /// What a look at the host finds.
    pub fn found(self) -> Found {
        match self {
            Vm::None | Vm::CutOff => Found::Nothing,
            Vm::Running | Vm::Leaving => Found::Running,
            Vm::Arriving | Vm::Whole | Vm::Outdated => Found::Copy,
        }
    }
}

/// What a running action does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Create it and let its CPUs run.
    Start,
    /// Destroy whatever is there.
    Stop,
    /// Send it.
    Migrate {
        /// The target.
        to: NodeId,
        /// The copy at the target was made by this action.
        copied: bool,
    },
    /// Let the CPUs of the copy run.
    Resume,
}

/// One action running on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job {
    /// Where.
    pub node: NodeId,
    /// On which resource.
    pub resource: ResourceId,
    /// To do what.
    pub work: Work,
    /// Under which operation number.
    pub number: Number,
    /// Which daemon started it, and reports.
    pub process: Process,
}

/// How far an `off` has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Datagram {
    /// Not written.
    Unsent,
    /// Written, not yet acted on.
    Flying,
    /// The device acted.
    Landed,
}

/// An executor carrying out a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    /// What it was granted.
    pub grant: Grant,
    /// How far it is.
    pub off: Datagram,
}

/// The world.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// The hosts.
    pub hosts: [Host; MAX_NODES],
    /// The machines on them.
    pub vms: [[Vm; MAX_NODES]; MAX_RESOURCES],
    /// The last operation number begun.
    pub begun: [[Number; MAX_NODES]; MAX_RESOURCES],
    /// Running actions, sorted.
    pub jobs: Vec<Job>,
    /// Fence executors at work, sorted.
    pub tasks: Vec<Task>,
}

impl World {
    /// Every host up in its first boot, nothing running.
    pub fn initial() -> Self {
        let host = Host { up: true, boot: BootId(1), process: Process(1) };
        Self {
            hosts: [host; MAX_NODES],
            vms: Default::default(),
            begun: Default::default(),
            jobs: Vec::new(),
            tasks: Vec::new(),
        }
    }

    /// A host.
    pub fn host(&self, node: NodeId) -> &Host {
        &self.hosts[node.index()]
    }

    /// A machine on a host.
    pub fn vm(&self, resource: ResourceId, node: NodeId) -> Vm {
        self.vms[resource.index()][node.index()]
    }

    /// A machine on a host, to change.
    pub fn vm_mut(&mut self, resource: ResourceId, node: NodeId) -> &mut Vm {
        &mut self.vms[resource.index()][node.index()]
    }

    /// The daemon that speaks for a node now.
    pub fn sender(&self, node: NodeId) -> Sender {
        let host = self.host(node);
        Sender { node, boot: host.boot, process: host.process }
    }

    /// Whether this very process still runs.
    pub fn alive(&self, who: Sender) -> bool {
        self.host(who.node).up && self.sender(who.node) == who
    }

    /// Whether an action on this resource runs on this node.
    pub fn busy(&self, resource: ResourceId, node: NodeId) -> bool {
        self.jobs.iter().any(|job| job.resource == resource && job.node == node)
    }

    /// Starts an action. Returns whether this number was begun before.
    pub fn begin(&mut self, job: Job) -> bool {
        let begun = &mut self.begun[job.resource.index()][job.node.index()];
        let again = *begun == job.number;
        *begun = job.number;
        self.jobs.push(job);
        self.jobs.sort_unstable();
        again
    }

    /// Replaces an action by its later form, or ends it.
    pub fn advance(&mut self, job: Job, later: Option<Job>) {
        self.jobs.retain(|other| *other != job);
        self.jobs.extend(later);
        self.jobs.sort_unstable();
    }

    /// The CPUs run here from now on: complete copies elsewhere are out of date.
    pub fn run(&mut self, resource: ResourceId, node: NodeId) {
        for vm in &mut self.vms[resource.index()] {
            if *vm == Vm::Whole {
                *vm = Vm::Outdated;
            }
        }
        *self.vm_mut(resource, node) = Vm::Running;
    }

    /// Power is gone: with it the daemon, its actions and every machine. Datagrams fly on.
    pub fn cut(&mut self, node: NodeId, size: Size) {
        self.hosts[node.index()].up = false;
        for resource in size.resources() {
            let vm = self.vm_mut(resource, node);
            *vm = match *vm {
                Vm::Running | Vm::Leaving => Vm::CutOff,
                _ => Vm::None,
            };
        }
        self.jobs.retain(|job| job.node != node);
        self.drop_tasks(node);
    }

    /// The host boots.
    pub fn boot(&mut self, node: NodeId, size: Size) {
        let host = &mut self.hosts[node.index()];
        *host = Host { up: true, boot: host.boot.next(), process: host.process.next() };
        for resource in size.resources() {
            *self.vm_mut(resource, node) = Vm::None;
        }
    }

    /// The daemon dies and the next one starts; it first ends what its predecessor left running.
    pub fn restart(&mut self, node: NodeId, rules: Rules) {
        let host = &mut self.hosts[node.index()];
        host.process = host.process.next();
        if rules.on(Rule::Contained) {
            self.jobs.retain(|job| job.node != node);
        }
        self.drop_tasks(node);
    }

    /// Sets how far an executor's `off` has come; `None` ends its work.
    pub fn set_off(&mut self, grant: Grant, off: Option<Datagram>) {
        self.tasks.retain(|task| task.grant != grant);
        self.tasks.extend(off.map(|off| Task { grant, off }));
        self.tasks.sort_unstable();
    }

    /// An executor that dies sends nothing more; what it sent is on its way.
    fn drop_tasks(&mut self, node: NodeId) {
        self.tasks.retain(|task| task.grant.executor != node || task.off == Datagram::Flying);
    }
}
