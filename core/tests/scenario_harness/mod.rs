//! What a scenario file says, in the words of log entries. Every state comes from `apply`; none is made up.
//!
//! ```text
//! configure            the indented body, in the real grammar; `configure from 3` was made from revision 3
//!                      a node that is new becomes a member, says hello with every VM stopped, and is online
//! member n4 [generated]          joins and says no hello; its hardware id is a DMI UUID unless `generated`
//! hello n1 new-boot|restart|boot N [follows N] [hardware X] [without-look] [vm1=running …]
//! observe n1 suspect|lost|online|daemon-gone|away|off        judged by the leader; away and off as they happen
//! observe vm1 started|stopped|paused|unknown n1 [failed]     a look that begins and ends now
//! look vm1 n1 … seen vm1 started n1                          a look that began earlier
//! claim 1 [as INCARNATION]       result 1 ok|failed [running|stopped|unknown]     (claims it if nobody has)
//! fence n1 wanted|granted|verified|failed|expired|called-off|condemned [by n2] [with DEVICE,DEVICE] [unsent]
//! fence n1 verified-late in n1/1 [by n2]        the first try, heard of when it is over
//! fence n1 let-in DEVICE ok|failed          unfenced, by its own word
//! confirm-off n1 [in n1/1]       standby | online | maintenance n1       cleanup vm1 [n1]
//! arm n1 [identity X] [reset]     disarm n1          waited n1 70s [by n2]      about its watchdog
//! drill ipmi1 n1 ok|failed [from REVISION]      `configure untested`, `member n4 untested`: else all devices pass theirs at once
//! sensors ipmi1 n1 [red|yellow NAME]…           what is wrong by the BMC's sensors; nothing: all is well
//! drain n1                       move vm1 n2 [10m]   move vm1 away n1   ban vm1 n1 [10m]   clear vm1 [n1]
//! wake                           if something is due by now; else says when
//! token T [10s]    join n4 T     request CLIENT SERIAL VERB …            answer
//! advance 10s      plan          settle         check
//! state vm1|n1     explain vm1   definition vm1 n1
//! cib [and] … transition … reasons … refusal     a Pacemaker CIB in words, and what is planned with it: see `cib.rs`
//! ```
//! What succeeds says nothing; a block that says nothing prints `ok`. Refusals print their kind, never their words.

// Two tests share this, and each uses a part.
#![allow(dead_code)]

mod checks;
mod cib;
mod fencing;
pub(crate) mod file;
mod health;
mod look;
mod people;
mod planning;
mod sessions;
mod show;
mod transition;
mod verbs;
mod watchdog;
pub(crate) mod world;
