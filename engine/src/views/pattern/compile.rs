//! From a pattern to a program of small steps, in which repetitions are written out.

use super::ast::Node;

/// A pattern whose repetitions are written out has at most so many steps.
pub(super) const STEPS_MAX: usize = 200_000;

/// One step of a program.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Instruction {
    /// One event passes this test.
    Test {
        /// Which test.
        test: usize,
        /// Which list of limits it stands in.
        limits: usize,
    },
    /// It goes on at any of these places.
    Fork(Vec<usize>),
    /// The time of a limit begins with the next event.
    Open,
    /// The innermost limit ends.
    Close,
    /// All is there.
    Done,
}

/// A program.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Program {
    /// Its steps.
    pub(super) steps: Vec<Instruction>,
    /// Lists of limits in milliseconds, the outermost first.
    pub(super) limits: Vec<Vec<i64>>,
}

impl Program {
    /// The program of a pattern; none when it would have too many steps.
    pub(super) fn of(node: &Node) -> Option<Self> {
        if size(node) >= STEPS_MAX {
            return None;
        }
        let mut program = Self {
            steps: Vec::new(),
            limits: vec![Vec::new()],
        };
        program.emit(node, 0);
        program.steps.push(Instruction::Done);
        Some(program)
    }

    fn emit(&mut self, node: &Node, limits: usize) {
        match node {
            Node::Event(test) => {
                let test = *test;
                self.steps.push(Instruction::Test { test, limits });
            }
            Node::Sequence(nodes) => {
                for node in nodes {
                    self.emit(node, limits);
                }
            }
            Node::Either(nodes) => {
                let fork = self.fork();
                let mut ends = Vec::new();
                for node in nodes {
                    self.leads_here(fork);
                    self.emit(node, limits);
                    ends.push(self.fork());
                }
                for end in ends {
                    self.leads_here(end);
                }
            }
            Node::Repeat { node, least, most } => {
                for _ in 0..*least {
                    self.emit(node, limits);
                }
                let Some(most) = most else {
                    let again = self.fork();
                    self.leads_here(again);
                    self.emit(node, limits);
                    self.steps.push(Instruction::Fork(vec![again]));
                    self.leads_here(again);
                    return;
                };
                let ways_out: Vec<usize> = (*least..*most)
                    .map(|_| {
                        let way_out = self.fork();
                        self.leads_here(way_out);
                        self.emit(node, limits);
                        way_out
                    })
                    .collect();
                for way_out in ways_out {
                    self.leads_here(way_out);
                }
            }
            Node::Within { node, limit_ms } => {
                let mut inside = self.limits[limits].clone();
                inside.push(*limit_ms);
                let known = self.limits.iter().position(|limits| *limits == inside);
                let inside = known.unwrap_or_else(|| {
                    self.limits.push(inside);
                    self.limits.len() - 1
                });
                self.steps.push(Instruction::Open);
                self.emit(node, inside);
                self.steps.push(Instruction::Close);
            }
        }
    }

    /// A fork that leads nowhere yet.
    fn fork(&mut self) -> usize {
        self.steps.push(Instruction::Fork(Vec::new()));
        self.steps.len() - 1
    }

    /// A fork leads to the next step that is pushed.
    fn leads_here(&mut self, fork: usize) {
        let here = self.steps.len();
        if let Some(Instruction::Fork(places)) = self.steps.get_mut(fork) {
            places.push(here);
        }
    }
}

/// How many steps a pattern has, or more.
fn size(node: &Node) -> usize {
    match node {
        Node::Event(_) => 1,
        Node::Sequence(nodes) => nodes.iter().map(size).fold(0, usize::saturating_add),
        Node::Either(nodes) => nodes
            .iter()
            .map(|node| size(node).saturating_add(1))
            .fold(1, usize::saturating_add),
        Node::Repeat { node, least, most } => {
            let times = most.map_or(least.saturating_add(1), |most| most.max(*least));
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            size(node).saturating_add(2).saturating_mul(times.max(1))
        }
        Node::Within { node, .. } => size(node).saturating_add(2),
    }
}
