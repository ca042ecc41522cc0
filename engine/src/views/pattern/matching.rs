//! Runs a program over events: all ways at once, so that the work grows with the events and never with the ways.

use std::collections::BTreeSet;

use super::ast::EventTest;
use super::compile::{Instruction, Program};
use super::{Mismatch, TimedEvent};

/// A comparison takes at most so many steps.
const WORK_MAX: usize = 200_000_000;
/// Of at most so many ways it is kept how they came about.
const TRACE_MAX: usize = 4_000_000;

/// One way to have come so far.
#[derive(Debug, Clone)]
struct Way {
    /// Where it is.
    step: usize,
    /// When the first event of each open limit was; none before it.
    opened: Vec<Option<i64>>,
    /// The way that it was before the last event.
    before: usize,
}

/// Where the events leave the program, and how far they went along with it.
#[derive(Debug, Clone)]
pub(super) struct Left {
    pub(super) mismatch: Mismatch,
    /// Which event passed which test, up to there; empty when too many ways were possible.
    pub(super) passed: Vec<(usize, usize)>,
}

/// The comparison would take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMuch;

struct Run<'p> {
    program: &'p Program,
    tests: &'p [EventTest],
    /// Every way that is still open, each at a test or at the end.
    ways: Vec<Way>,
    /// Where a step was reached, for the present event: the last one of a chain through `same`.
    reached: Vec<Option<usize>>,
    /// Every way that was reached for the present event, and the one before it at the same step.
    seen: Vec<(Vec<Option<i64>>, Option<usize>)>,
    touched: Vec<usize>,
    work: usize,
}

/// Compares events with a program.
pub(super) fn run(
    program: &Program,
    tests: &[EventTest],
    passes_over: &BTreeSet<&str>,
    events: &[TimedEvent],
) -> Result<Result<(), Left>, TooMuch> {
    let mut run = Run {
        program,
        tests,
        ways: Vec::new(),
        reached: vec![None; program.steps.len()],
        seen: Vec::new(),
        touched: Vec::new(),
        work: 0,
    };
    run.reach(0, Vec::new(), 0)?;
    let mut trace: Vec<(usize, Vec<(usize, usize)>)> = Vec::new();
    let mut traced = 0;
    let mut whole = run.is_done().then_some(0);
    for (index, event) in events.iter().enumerate() {
        if passes_over.contains(event.kind.as_str()) {
            continue;
        }
        let before = run.advance(event)?;
        if run.ways.is_empty() {
            return Ok(Err(run.left(index, Some(event), &before, &trace, whole)));
        }
        if run.is_done() {
            whole = Some(index + 1);
        }
        traced += before.len();
        if traced <= TRACE_MAX {
            let kept = before.iter().map(|way| (way.step, way.before)).collect();
            trace.push((index, kept));
        } else {
            trace.clear();
        }
    }
    if run.is_done() {
        return Ok(Ok(()));
    }
    let ways = std::mem::take(&mut run.ways);
    Ok(Err(run.left(events.len(), None, &ways, &trace, whole)))
}

impl Run<'_> {
    fn is_done(&self) -> bool {
        let steps = &self.program.steps;
        let mut ways = self.ways.iter();
        ways.any(|way| steps[way.step] == Instruction::Done)
    }

    /// Takes one event; the ways that were open before it.
    fn advance(&mut self, event: &TimedEvent) -> Result<Vec<Way>, TooMuch> {
        let before = std::mem::take(&mut self.ways);
        for step in self.touched.drain(..) {
            self.reached[step] = None;
        }
        self.seen.clear();
        let mut answers: Vec<Option<bool>> = vec![None; self.tests.len()];
        for (index, way) in before.iter().enumerate() {
            let Instruction::Test { test, limits } = self.program.steps[way.step] else {
                continue;
            };
            let tests = self.tests;
            let passes = *answers[test].get_or_insert_with(|| tests[test].passes(event));
            if !passes {
                continue;
            }
            let limits = &self.program.limits[limits];
            if late(limits, &way.opened, event.recorded_at_ms).is_some() {
                continue;
            }
            let mut opened = way.opened.clone();
            for begun in &mut opened {
                begun.get_or_insert(event.recorded_at_ms);
            }
            self.reach(way.step + 1, opened, index)?;
        }
        Ok(before)
    }

    /// Follows every way from a step to the next tests.
    fn reach(
        &mut self,
        step: usize,
        opened: Vec<Option<i64>>,
        before: usize,
    ) -> Result<(), TooMuch> {
        let mut open = vec![(step, opened)];
        while let Some((step, mut opened)) = open.pop() {
            self.work += 1;
            if self.work > WORK_MAX {
                return Err(TooMuch);
            }
            if !self.is_new(step, &opened)? {
                continue;
            }
            match &self.program.steps[step] {
                Instruction::Test { .. } | Instruction::Done => self.ways.push(Way {
                    step,
                    opened,
                    before,
                }),
                Instruction::Fork(places) => {
                    open.extend(places.iter().map(|place| (*place, opened.clone())));
                }
                Instruction::Open => {
                    opened.push(None);
                    open.push((step + 1, opened));
                }
                Instruction::Close => {
                    opened.pop();
                    open.push((step + 1, opened));
                }
            }
        }
        Ok(())
    }

    /// Notes that a step was reached; false when it was reached as well in a way that leaves no less time.
    fn is_new(&mut self, step: usize, opened: &[Option<i64>]) -> Result<bool, TooMuch> {
        let mut at = self.reached[step];
        while let Some(index) = at {
            self.work += 1;
            if self.work > WORK_MAX {
                return Err(TooMuch);
            }
            let (known, same) = &self.seen[index];
            let leaves_no_less = |(known, new): (&Option<i64>, &Option<i64>)| match (known, new) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(known), Some(new)) => known >= new,
            };
            if known.iter().zip(opened).all(leaves_no_less) {
                return Ok(false);
            }
            at = *same;
        }
        if self.reached[step].is_none() {
            self.touched.push(step);
        }
        self.seen.push((opened.to_vec(), self.reached[step]));
        self.reached[step] = Some(self.seen.len() - 1);
        Ok(true)
    }

    fn left(
        &self,
        index: usize,
        event: Option<&TimedEvent>,
        ways: &[Way],
        trace: &[(usize, Vec<(usize, usize)>)],
        whole: Option<usize>,
    ) -> Left {
        let mut expected = BTreeSet::new();
        let mut reasons = BTreeSet::new();
        for way in ways {
            let Instruction::Test { test, limits } = self.program.steps[way.step] else {
                continue;
            };
            let test = &self.tests[test];
            expected.insert(test.label.clone());
            let Some(event) = event else { continue };
            let late = late(
                &self.program.limits[limits],
                &way.opened,
                event.recorded_at_ms,
            );
            match late {
                Some((took_ms, limit_ms)) if test.passes(event) => {
                    reasons.insert(format!(
                        "`{}` is {} after the first event of its group, at most {} were asked for",
                        event.kind,
                        seconds(took_ms),
                        seconds(limit_ms)
                    ));
                }
                Some(_) | None => reasons.extend(test.reasons(event)),
            }
        }
        Left {
            mismatch: Mismatch {
                index,
                found: event.map(|event| event.kind.clone()),
                expected: expected.into_iter().collect(),
                reasons: reasons.into_iter().collect(),
                whole,
            },
            passed: self.passed(ways, trace),
        }
    }

    /// Which event passed which test, along one of the ways.
    fn passed(&self, ways: &[Way], trace: &[(usize, Vec<(usize, usize)>)]) -> Vec<(usize, usize)> {
        let Some(mut way) = ways.first().map(|way| way.before) else {
            return Vec::new();
        };
        let mut passed = Vec::new();
        for (index, before) in trace.iter().rev() {
            let Some(&(step, earlier)) = before.get(way) else {
                return Vec::new();
            };
            if let Instruction::Test { test, .. } = self.program.steps[step] {
                passed.push((*index, test));
            }
            way = earlier;
        }
        passed.reverse();
        passed
    }
}

/// The limit that an event at this time exceeds: how long it took, and the limit.
fn late(limits: &[i64], opened: &[Option<i64>], at_ms: i64) -> Option<(i64, i64)> {
    let mut pairs = limits.iter().zip(opened);
    pairs.find_map(|(limit, begun)| {
        let took = at_ms.saturating_sub((*begun)?);
        (took > *limit).then_some((took, *limit))
    })
}

/// Milliseconds as people read them.
fn seconds(ms: i64) -> String {
    if ms % 1000 == 0 {
        format!("{} s", ms / 1000)
    } else {
        format!("{}.{:03} s", ms / 1000, (ms % 1000).abs())
    }
}
