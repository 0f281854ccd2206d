//! Registers the holdings that are alive in this process: a guard has them, or an acquire is about to make
//! them. The driver asks it for each record that it reads.
//!
//! With `reclaim_same_owner`, a client may reclaim a lock from a holder of the same name that crashed, but
//! not from one that is alive. Between processes nothing can tell the two apart, so there owner names must
//! be unique. Within this process, the registry can. A holding is entered before the write that makes it is
//! sent, and stays until its guard is gone. So a call that reads the record finds the holding here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::protocol::Location;
use crate::sys::forks::Process;
use crate::sys::per_process::PerProcess;
use crate::sys::sync::lock;

/// The holdings that a client must not reclaim.
#[derive(Clone, Copy)]
pub(crate) struct Registry {
    /// Without a table, every holding counts as alive.
    table: Option<&'static Table>,
    scope: u64,
}

/// A holding's entry in the registry; removed when dropped.
pub(crate) struct Entry {
    table: Option<&'static Table>,
    holding: Holding,
}

/// How often each live holding is entered, in one process.
struct Table {
    process: Process,
    counts: Mutex<BTreeMap<Holding, usize>>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Holding {
    scope: u64,
    token: u64,
    location: Arc<Location>,
}

/// The scope of all S3 clients: two endpoints may lead to one store.
const SHARED: u64 = 0;
/// The next unused scope.
static NEXT_SCOPE: AtomicU64 = AtomicU64::new(SHARED + 1);
static TABLES: PerProcess<Table> = PerProcess::new();

impl Registry {
    /// The registry that all clients of this process share.
    pub(crate) fn shared() -> Registry {
        Registry {
            table: TABLES.own(Table::new),
            scope: SHARED,
        }
    }

    /// A separate registry, for a client that plays another process.
    pub(crate) fn own() -> Registry {
        Registry {
            scope: NEXT_SCOPE.fetch_add(1, Ordering::Relaxed),
            ..Registry::shared()
        }
    }

    /// Enters a holding.
    pub(crate) fn enter(self, location: &Arc<Location>, token: u64) -> Entry {
        let holding = self.holding(location, token);
        if let Some(table) = self.table {
            *lock(&table.counts).entry(holding.clone()).or_default() += 1;
        }
        Entry {
            table: self.table,
            holding,
        }
    }

    /// Whether a holding has an entry other than `own`.
    pub(crate) fn has(self, location: &Arc<Location>, token: u64, own: Option<&Entry>) -> bool {
        let Some(table) = self.table else {
            return true;
        };
        let holding = self.holding(location, token);
        let own = own.is_some_and(|own| own.holding == holding);
        let entries = lock(&table.counts).get(&holding).copied();
        entries.unwrap_or(0) > usize::from(own)
    }

    fn holding(self, location: &Arc<Location>, token: u64) -> Holding {
        Holding {
            scope: self.scope,
            token,
            location: location.clone(),
        }
    }
}

impl Table {
    /// The table of this process.
    fn new() -> Table {
        Table {
            process: Process::own(),
            counts: Mutex::default(),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(table) = self.table else {
            return;
        };
        if !table.process.is_own() {
            return; // a forked child's copy: the table may stay locked for ever
        }
        let mut entries = lock(&table.counts);
        if let Some(count) = entries.get_mut(&self.holding) {
            *count -= 1;
            if *count == 0 {
                entries.remove(&self.holding);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Arc<Location> {
        Arc::new(Location {
            bucket: "bucket".to_owned(),
            key: "nightly.lock".to_owned(),
        })
    }

    #[test]
    fn a_holding_is_alive_until_all_its_entries_are_dropped() {
        let registry = Registry::own();
        let (one, two) = (registry.enter(&here(), 7), registry.enter(&here(), 7));
        drop(one);
        assert!(registry.has(&here(), 7, None));
        drop(two);
        assert!(!registry.has(&here(), 7, None));
    }

    #[test]
    fn a_callers_own_entry_does_not_count() {
        let registry = Registry::own();
        let own = registry.enter(&here(), 7);
        assert!(!registry.has(&here(), 7, Some(&own)));
        let _other = registry.enter(&here(), 7);
        assert!(registry.has(&here(), 7, Some(&own)));
    }

    #[test]
    fn another_token_or_place_is_another_holding() {
        let registry = Registry::own();
        let _seven = registry.enter(&here(), 7);
        assert!(!registry.has(&here(), 8, None));
        let mut elsewhere = here();
        Arc::make_mut(&mut elsewhere).bucket.push('2');
        assert!(!registry.has(&elsewhere, 7, None));
    }

    #[test]
    fn all_shared_registries_are_one_and_an_own_registry_is_separate() {
        let token = 0xfeed; // no other test uses it
        let _entry = Registry::shared().enter(&here(), token);
        assert!(Registry::shared().has(&here(), token, None));
        assert!(!Registry::own().has(&here(), token, None));
    }

    #[test]
    fn a_forked_childs_copy_of_an_entry_does_not_wait_for_its_parents_table() {
        let table: &Table = Box::leak(Box::new(Table {
            process: Process::other(0),
            ..Table::new()
        }));
        let registry = Registry {
            table: Some(table),
            scope: SHARED,
        };
        let inherited = registry.enter(&here(), 7);
        let _for_ever = lock(&table.counts);
        drop(inherited);
    }

    #[test]
    fn without_a_table_every_holding_counts_as_alive() {
        let registry = Registry {
            table: None,
            scope: SHARED,
        };
        assert!(registry.has(&here(), 7, None));
    }
}
