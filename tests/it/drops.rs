//! A guard gives the lock back wherever and however it is dropped.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use s3_lock::{LockError, LockGuard};
use tokio::runtime::{Builder, Runtime};

use crate::support::Server;
use crate::{lock, stored_state};

fn held(server: &Server) -> LockGuard {
    let guard = lock(server).acquire("me").unwrap();
    assert_eq!(stored_state(server).as_deref(), Some("held"));
    guard
}

fn assert_released(server: &Server) {
    assert_eq!(stored_state(server).as_deref(), Some("released"));
}

fn multi_thread() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn drop_at_the_end_of_a_scope_releases() {
    let server = Server::start();
    {
        let _guard = held(&server);
    }
    assert_released(&server);
}

#[test]
fn drop_by_the_question_mark_releases() {
    fn fails(server: &Server) -> Result<(), LockError> {
        let guard = held(server);
        let _other = lock(server).try_acquire("you")?;
        guard.release()
    }
    let server = Server::start();
    assert!(matches!(fails(&server), Err(LockError::Held(_))));
    assert_released(&server);
}

#[test]
fn drop_by_a_panic_releases() {
    let server = Server::start();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = held(&server);
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_released(&server);
}

#[test]
fn drop_by_a_panic_of_the_thread_that_holds_it_releases() {
    let server = Server::start();
    let guard = held(&server);
    let thread = std::thread::spawn(move || {
        let _guard = guard;
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    assert_released(&server);
}

#[test]
fn drop_inside_a_multi_thread_runtime_releases() {
    let server = Server::start();
    multi_thread().block_on(async { drop(held(&server)) });
    assert_released(&server);
}

#[test]
fn drop_inside_a_task_of_a_multi_thread_runtime_releases() {
    let server = Server::start();
    let guard = held(&server);
    let runtime = multi_thread();
    let task = runtime.spawn(async move { drop(guard) });
    runtime.block_on(task).unwrap();
    assert_released(&server);
}

#[test]
fn drop_inside_a_current_thread_runtime_releases() {
    let server = Server::start();
    current_thread().block_on(async { drop(held(&server)) });
    assert_released(&server);
}

#[test]
fn drop_inside_spawn_blocking_releases() {
    let server = Server::start();
    let guard = held(&server);
    let runtime = multi_thread();
    let task = runtime.spawn_blocking(move || drop(guard));
    runtime.block_on(task).unwrap();
    assert_released(&server);
}

#[test]
fn drop_while_unwinding_inside_async_releases() {
    for runtime in [multi_thread(), current_thread()] {
        let server = Server::start();
        let guard = held(&server);
        let task = runtime.spawn(async move {
            let _guard = guard;
            tokio::task::yield_now().await;
            panic!("on purpose");
        });
        assert!(runtime.block_on(task).unwrap_err().is_panic());
        assert_released(&server);
    }
}

#[test]
fn drop_with_a_runtime_that_is_shut_down_around_it_releases() {
    let server = Server::start();
    let guard = held(&server);
    let runtime = multi_thread();
    runtime.spawn(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    drop(runtime);
    assert_released(&server);
}

#[test]
fn drop_by_the_end_of_the_thread_whose_local_it_is_releases() {
    thread_local! {
        static KEPT: RefCell<Option<LockGuard>> = const { RefCell::new(None) };
    }
    let server = Server::start();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // Before any runtime's own: so it is dropped when those are gone.
            KEPT.set(None);
            KEPT.set(Some(held(&server)));
        });
        thread.join().unwrap();
    });
    assert_released(&server);
}

#[test]
fn drop_on_another_thread_than_it_was_acquired_on_releases() {
    let server = Server::start();
    let guard = held(&server);
    std::thread::spawn(move || drop(guard)).join().unwrap();
    assert_released(&server);
}
