//! What is said of the grid: a table, or one document, and what is not as it should be.

use serde_json::{Value, json};

use super::cell::{Answer, Cell, Judged};

/// Of the clusters whose best placement is proven, in so many percent as many must be placed.
const AS_MANY_PERCENT: usize = 95;
/// So many moves more than needed, in the median, are too many from here on.
const MORE_MOVES: i64 = 1;

fn answers(judged: &[Judged]) -> impl Iterator<Item = &Answer> {
    judged.iter().filter_map(|one| match one {
        Judged::Skipped => None,
        Judged::Answered(answer) => Some(answer),
    })
}

/// Moves beyond what is needed, where as many are placed, fewest first; and in how many clusters the best is proven.
fn beside_best<'a>(all: impl Iterator<Item = &'a Answer>) -> (Vec<i64>, usize) {
    let proven: Vec<(&Answer, (i64, i64))> = all.filter_map(|answer| Some((answer, answer.best?))).collect();
    let as_many = proven.iter().filter(|(answer, (placed, _))| answer.placed >= *placed);
    let mut more: Vec<i64> = as_many.map(|(answer, (_, moves))| answer.moved - moves).collect();
    more.sort_unstable();
    (more, proven.len())
}

/// What is not as it should be, in words.
pub(super) fn wrong(all: &[(Cell, Vec<Judged>)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for answer in all.iter().flat_map(|(_, judged)| answers(judged)) {
        let name = &answer.name;
        wrong.extend(answer.broken.iter().map(|broken| format!("{name}: {broken}")));
        if answer.stopped > 0 {
            wrong.push(format!("{name}: {} that ran are stopped", answer.stopped));
        }
        if let Some(theirs) = answer.pacemaker.filter(|theirs| *theirs > answer.placed) {
            wrong.push(format!("{name}: crm_simulate places {theirs}, and only {} are placed here", answer.placed));
        }
    }
    let (more, proven) = beside_best(all.iter().flat_map(|(_, judged)| answers(judged)));
    if more.len() * 100 < proven * AS_MANY_PERCENT {
        wrong.push(format!("as many as possible are placed in {} of {proven} clusters only", more.len()));
    }
    if more.get(more.len() / 2).is_some_and(|median| *median > MORE_MOVES) {
        wrong.push("in the median more than one move too many is made".to_owned());
    }
    wrong
}

struct Row {
    skipped: usize,
    clusters: usize,
    resources: i64,
    placed: i64,
    moved: i64,
    broken: usize,
    stopped: i64,
    pacemaker: Option<i64>,
    as_many: usize,
    proven: usize,
    more_moves: Option<i64>,
    cpu_ms: i64,
}

fn row(judged: &[Judged]) -> Row {
    let (more, proven) = beside_best(answers(judged));
    let sum = |of: fn(&Answer) -> i64| answers(judged).map(of).sum();
    Row {
        skipped: judged.len() - answers(judged).count(),
        clusters: answers(judged).count(),
        resources: sum(|answer| answer.resources),
        placed: sum(|answer| answer.placed),
        moved: sum(|answer| answer.moved),
        broken: answers(judged).map(|answer| answer.broken.len()).sum(),
        stopped: sum(|answer| answer.stopped),
        pacemaker: answers(judged).map(|answer| answer.pacemaker).sum(),
        as_many: more.len(),
        proven,
        more_moves: more.get(more.len() / 2).copied(),
        cpu_ms: answers(judged).map(|answer| answer.cpu_ms).max().unwrap_or(0),
    }
}

/// The table.
pub(super) fn print(all: &[(Cell, Vec<Judged>)], has_pacemaker: bool) {
    println!(
        "nodes x VMs, room  clusters  skipped  placed         Pacemaker  moved  broken  stopped  as the best  more moves  CPU ms at most"
    );
    for (cell, judged) in all {
        let row = row(judged);
        let theirs =
            row.pacemaker.filter(|_| has_pacemaker).map_or_else(|| "-".to_owned(), |placed| placed.to_string());
        let best = if row.proven == 0 { "-".to_owned() } else { format!("{} of {}", row.as_many, row.proven) };
        let more = row.more_moves.map_or_else(|| "-".to_owned(), |more| more.to_string());
        println!(
            "{:<18} {:>8} {:>8}  {:<14} {:>9} {:>6} {:>7} {:>8} {:>12} {:>11} {:>15}",
            format!("{} x {}, {}", cell.nodes, cell.vms, cell.headroom),
            row.clusters,
            row.skipped,
            format!("{} of {}", row.placed, row.resources),
            theirs,
            row.moved,
            row.broken,
            row.stopped,
            best,
            more,
            row.cpu_ms
        );
    }
}

/// The same for programs.
pub(super) fn json(all: &[(Cell, Vec<Judged>)], wrong: &[String]) -> Value {
    let cell = |(cell, judged): &(Cell, Vec<Judged>)| {
        let row = row(judged);
        json!({
            "nodes": cell.nodes, "vms": cell.vms, "headroom": cell.headroom,
            "clusters": row.clusters, "skipped": row.skipped, "resources": row.resources, "placed": row.placed,
            "pacemaker_placed": row.pacemaker, "moved": row.moved, "broken": row.broken, "stopped": row.stopped,
            "as_many_as_best": row.as_many, "proven": row.proven, "more_moves_median": row.more_moves, "cpu_ms": row.cpu_ms,
        })
    };
    json!({ "schema": "placement-grid/1", "cells": all.iter().map(cell).collect::<Vec<_>>(), "wrong": wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(placed: i64, moved: i64, best: (i64, i64)) -> Judged {
        let name = "x".to_owned();
        let (pacemaker, best) = (Some(9), Some(best));
        Judged::Answered(Answer {
            name,
            resources: 10,
            placed,
            moved,
            broken: Vec::new(),
            stopped: 0,
            cpu_ms: 1,
            pacemaker,
            best,
        })
    }

    fn said(judged: Vec<Judged>) -> String {
        wrong(&[(super::super::cell::CELLS[0], judged)]).join("; ")
    }

    #[test]
    fn what_is_worse_than_it_should_be_is_said() {
        assert_eq!(said(vec![answer(10, 1, (10, 0)), Judged::Skipped]), "");
        assert!(said(vec![answer(9, 0, (10, 0))]).contains("in 0 of 1"));
        assert!(said(vec![answer(10, 2, (10, 0))]).contains("median"));
        assert!(said(vec![answer(8, 0, (8, 0))]).contains("crm_simulate places 9"));
    }
}
