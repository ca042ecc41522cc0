//! The same work on many files, on as many threads as there are processors.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Items that a thread takes at once. Fewer files than this are no work for a second thread.
const BATCH: usize = 128;

/// More threads than this wait for one disk.
const MAX_THREADS: usize = 8;

/// Does the work on every item, until one fails. What it gives is in the order of the items; of several errors it is the one of the
/// first item.
pub(super) fn on_each<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = items.len().div_ceil(BATCH).min(processors).min(MAX_THREADS);
    if threads < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let begin = next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(batch) = items.get(begin..items.len().min(begin + BATCH)) else {
                return done;
            };
            let results: Result<Vec<R>, E> = batch.iter().map(&work).collect();
            if results.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            done.push((begin, results));
        }
    };
    let mut batches = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut batches = run();
        for other in others {
            match other.join() {
                Ok(done) => batches.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        batches
    });
    batches.sort_by_key(|(begin, _)| *begin);
    let mut all = Vec::with_capacity(items.len());
    for (_, results) in batches {
        all.extend(results?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = BATCH * 9 + 5;

    #[test]
    fn what_it_gives_is_in_the_order_of_the_items() {
        for count in [0, 1, BATCH, BATCH + 1, MANY] {
            let items: Vec<usize> = (0..count).collect();
            let doubled = on_each(&items, |item| Ok::<_, ()>(item * 2)).unwrap();
            assert_eq!(
                doubled,
                items.iter().map(|item| item * 2).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn an_error_ends_it() {
        let items: Vec<usize> = (0..MANY).collect();
        for wrong in [0, BATCH - 1, MANY - 1] {
            let found = on_each(
                &items,
                |item| if *item == wrong { Err(*item) } else { Ok(()) },
            );
            assert_eq!(found, Err(wrong));
        }
    }
}
