//! The background thread: it ends only when no work is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::future::block_on;
use shuttle::sync::mpsc::{Sender, channel};
use shuttle::thread;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::arrivals::Arrivals;
use crate::explore;

/// The background thread of a client. An item stands for a held lock; the thread watches it once it
/// has used the item's sender.
#[derive(Default)]
struct Background {
    arrivals: Arrivals<Sender<()>>,
    running: AtomicUsize,
}

impl Background {
    fn watch(self: &Arc<Self>, item: Sender<()>) {
        let background = self.clone();
        let start = move |arrivals| {
            thread::spawn(move || block_on(background.run(arrivals)));
            Ok(())
        };
        self.arrivals.hand_over(item, start).unwrap();
    }

    async fn run(&self, mut arrivals: UnboundedReceiver<Sender<()>>) {
        loop {
            let item = arrivals
                .recv()
                .await
                .expect("the thread decides itself when to end");
            let others = self.running.fetch_add(1, Ordering::SeqCst);
            assert_eq!(others, 0, "a second background thread");
            thread::yield_now();
            let _ = item.send(());
            self.running.fetch_sub(1, Ordering::SeqCst);
            if self.arrivals.end(&arrivals) {
                return;
            }
        }
    }
}

#[test]
fn an_item_reaches_the_thread_even_while_it_ends() {
    explore(|| {
        let background = Arc::<Background>::default();
        let clients = [(); 3].map(|()| {
            let background = background.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    let (item, watched) = channel();
                    background.watch(item);
                    watched.recv().expect("the thread watches it");
                }
            })
        });
        for client in clients {
            client.join().unwrap();
        }
    });
}
