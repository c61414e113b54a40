//! The open loop: requests are due at a fixed rate, whatever became of those before.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::generate::{Client, Shared};

/// How long answers are awaited after the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is due and not sent yet.
#[derive(Default)]
struct Due {
    queue: RefCell<VecDeque<Instant>>,
    added: Notify,
    /// Due in the window, and not answered yet.
    left: Cell<u64>,
}

pub(crate) async fn run(shared: &Rc<Shared>, clients: Vec<Client>, rate: u32, started: Instant) -> io::Result<()> {
    let (open, end) = shared.job.pace.window();
    let due = Rc::new(Due::default());
    for client in clients {
        tokio::task::spawn_local(serve(client, Rc::clone(&due), started + open));
    }
    let gap = Duration::from_secs(1) / rate.max(1);
    let (clock, mut ticks) = unbounded_channel();
    thread::spawn(move || tick(gap, &clock));
    let mut next = started + gap;
    while next < started + end {
        ticks.recv().await;
        while next <= Instant::now() && next < started + end {
            if next >= started + open {
                due.left.set(due.left.get() + 1);
            }
            due.queue.borrow_mut().push_back(next);
            due.added.notify_one();
            next += gap;
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while due.left.get() > 0 && Instant::now() < deadline {
        ticks.recv().await;
    }
    shared.tally.borrow_mut().unanswered = due.left.get();
    Ok(())
}

async fn serve(mut client: Client, due: Rc<Due>, open: Instant) {
    loop {
        let next = due.queue.borrow_mut().pop_front();
        let Some(next) = next else {
            due.added.notified().await;
            continue;
        };
        client.counted(next, next >= open).await;
        if next >= open {
            due.left.set(due.left.get() - 1);
        }
    }
}

/// A thread's clock: the runtime's own timers are exact to a millisecond, which is two requests at 2,000 per second.
fn tick(gap: Duration, clock: &UnboundedSender<()>) {
    let Ok(timer) = timer(gap) else {
        eprintln!("load: the system has no timer");
        std::process::exit(1);
    };
    while rustix::io::read(&timer, &mut [0; 8]).is_ok() && clock.send(()).is_ok() {}
}

fn timer(gap: Duration) -> io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let gap = Timespec { tv_sec: gap.as_secs().cast_signed(), tv_nsec: gap.subsec_nanos().into() };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: gap, it_value: gap })?;
    Ok(timer)
}
