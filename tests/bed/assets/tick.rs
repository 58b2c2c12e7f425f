//! The one program of a guest: five times a second it writes to a raw disk that it runs, and on which host.
//!
//! Every record names its predecessor, read from sector 0 just before, so the records of all lives of this guest form one
//! chain. Two guests running at the same time break the chain, whatever clocks and locks say. Layout: see `evidence.rs`.
//! Only `std`, so that a bare `rustc` builds it statically.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::time::{Duration, Instant};

const SECTOR: u64 = 512;
const FIRST_RING_SECTOR: u64 = 64;
const RING_SECTORS: u64 = 2048;
const O_DIRECT: i32 = 0o40000;
const PERIOD: Duration = Duration::from_millis(200);

/// O_DIRECT asks for aligned memory; going round the guest's cache is what makes a migrated guest see its new host.
#[repr(C, align(4096))]
struct Block([u8; SECTOR as usize]);

fn open(path: &str, write: bool) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(write).custom_flags(O_DIRECT).open(path)
}

fn read_text(file: &File, sector: u64) -> std::io::Result<String> {
    let mut block = Block([0; SECTOR as usize]);
    file.read_exact_at(&mut block.0, sector * SECTOR)?;
    let end = block.0.iter().position(|b| *b == b'\n' || *b == 0).unwrap_or(block.0.len());
    Ok(String::from_utf8_lossy(&block.0[..end]).into_owned())
}

fn write_text(file: &File, sector: u64, text: &str) -> std::io::Result<()> {
    let mut block = Block([0; SECTOR as usize]);
    let bytes = text.as_bytes();
    let length = bytes.len().min(block.0.len());
    block.0[..length].copy_from_slice(&bytes[..length]);
    file.write_all_at(&block.0, sector * SECTOR)
}

fn field<'a>(record: &'a str, key: &str) -> Option<&'a str> {
    record.split(' ').find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn random() -> std::io::Result<u64> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    // An emulated CPU may offer little entropy this early: the clock makes two boots differ for certain.
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    Ok(u64::from_ne_bytes(bytes) ^ clock.rotate_left(17))
}

fn run(name: &str, evidence: &str, tag: &str) -> std::io::Result<()> {
    let evidence = open(evidence, true)?;
    let tag = open(tag, false)?;
    let nonce = random()?;
    let started = Instant::now();
    let mut life = String::new();
    for tick in 0_u64.. {
        let host = read_text(&tag, 0)?;
        let mut words = host.split(' ');
        let number: u64 = words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
        let (host, boot) = (words.next().unwrap_or("?"), words.next().unwrap_or("?"));
        if tick == 0 {
            life = format!("{host}-{nonce:016x}");
            println!("GUEST-READY {name} on {host}");
        }
        let last = read_text(&evidence, 0)?;
        let previous = match (field(&last, "run"), field(&last, "tick")) {
            (Some(run), Some(tick)) => format!("{run}:{tick}"),
            _ => "-".to_owned(),
        };
        let up = started.elapsed().as_millis();
        let record = format!("QBED vm={name} host={host} boot={boot} run={life} tick={tick} up={up} prev={previous}");
        // Whoever reads the disk meanwhile may get half of a record: the sum tells.
        let record = format!("{record} sum={:016x}\n", fnv(record.as_bytes()));
        // In this order: the power may go in between. A record that only the ring has would look as if whoever comes next,
        // and finds the one before it, had run beside this life.
        write_text(&evidence, 0, &record)?;
        write_text(&evidence, FIRST_RING_SECTOR + number * RING_SECTORS + tick % RING_SECTORS, &record)?;
        std::thread::sleep(PERIOD);
    }
    Ok(())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, evidence, tag] = arguments.as_slice() else {
        println!("usage: tick NAME EVIDENCE-DISK HOST-DISK");
        std::process::exit(2);
    };
    if let Err(error) = run(name, evidence, tag) {
        println!("GUEST-TICK-FAILED {error}");
        std::process::exit(1);
    }
}
