//! Which of several upstreams a request goes to: each in turn, a core for itself.
//!
//! Source: Tyk, `gateway/reverse_proxy.go`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use super::target::Target;

/// Where an API's requests go.
#[derive(Debug)]
pub(crate) enum Targets {
    One(Target),
    Many(Balancer),
}

/// Where one request goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim<'a> {
    One(&'a Target),
    Chosen(Choice<'a>),
}

impl Targets {
    /// Where the next request goes. What a plugin has sent elsewhere takes nobody's turn.
    ///
    /// # Errors
    /// When every target is down.
    pub(crate) fn aim(&self, is_sent_elsewhere: bool) -> Result<Aim<'_>, AllDown> {
        match self {
            Self::One(target) => Ok(Aim::One(target)),
            Self::Many(balancer) if is_sent_elsewhere => Ok(Aim::One(&balancer.members[0].target)),
            Self::Many(balancer) => balancer.next().map(Aim::Chosen),
        }
    }
}

impl<'a> Aim<'a> {
    pub(crate) fn target(self) -> &'a Target {
        match self {
            Self::One(target) => target,
            Self::Chosen(choice) => choice.target(),
        }
    }

    /// Where it may go if there is nobody at its target.
    pub(crate) fn instead(self) -> Option<Self> {
        match self {
            Self::One(_) => None,
            Self::Chosen(choice) => choice.instead().map(Self::Chosen),
        }
    }
}

/// The members of `proxy.target_list`.
#[derive(Debug)]
pub(crate) struct Balancer {
    members: Box<[Member]>,
    /// Whose turn it is next, for each core.
    turns: Box<[Turn]>,
}

#[derive(Debug)]
struct Member {
    target: Target,
    /// Somebody watches the host and found it down.
    down: Arc<AtomicBool>,
}

/// A counter that shares no cache line with that of another core.
#[derive(Debug)]
#[repr(align(128))]
struct Turn(AtomicUsize);

/// One counter for each core, and one for the control thread, from which plugins' `init` makes no requests here.
static CORES: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from) + 1);

/// The place of this thread's counter.
fn core() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static CORE: usize = NEXT.fetch_add(1, Ordering::Relaxed));
    CORE.with(|core| *core)
}

/// Every member is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AllDown;

impl Balancer {
    /// A balancer over targets, in the definition's order, each with the mark that says whether it is down.
    pub(crate) fn new(members: impl IntoIterator<Item = (Target, Arc<AtomicBool>)>) -> Self {
        let members: Box<[Member]> = members.into_iter().map(|(target, down)| Member { target, down }).collect();
        // The cores begin at different members, else all of them would call on the same one at the same time.
        let turns = (0..*CORES).map(|core| Turn(AtomicUsize::new(core))).collect();
        Self { members, turns }
    }

    /// The next member that is up.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn next(&self) -> Result<Choice<'_>, AllDown> {
        // Only this core's threads change it, so that it needs no lock; where there are more threads than cores, two may
        // take the same turn.
        let turn = &self.turns[core() % self.turns.len()].0;
        let first = turn.load(Ordering::Relaxed);
        turn.store(first.wrapping_add(1), Ordering::Relaxed);
        let choice = Choice { balancer: self, at: first % self.members.len(), left: self.members.len() };
        choice.up().ok_or(AllDown)
    }
}

/// A member, and those that may still be tried in its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice<'a> {
    balancer: &'a Balancer,
    at: usize,
    /// How many members, with this one, have not been tried.
    left: usize,
}

impl<'a> Choice<'a> {
    pub(crate) fn target(&self) -> &'a Target {
        &self.balancer.members[self.at].target
    }

    /// The next member that is up, if this one cannot be reached: nobody is tried twice, however often he is named.
    pub(crate) fn instead(self) -> Option<Self> {
        let here = &self.target().origin;
        let mut next = self.skip().up()?;
        while next.target().origin == *here {
            next = next.skip().up()?;
        }
        Some(next)
    }

    fn skip(self) -> Self {
        let at = (self.at + 1) % self.balancer.members.len();
        Self { at, left: self.left.saturating_sub(1), ..self }
    }

    fn up(mut self) -> Option<Self> {
        while self.left > 0 {
            if !self.balancer.members[self.at].down.load(Ordering::Relaxed) {
                return Some(self);
            }
            self = self.skip();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        balancer: Balancer,
        down: Vec<Arc<AtomicBool>>,
    }

    fn scene(hosts: &[&str]) -> Scene {
        let down: Vec<Arc<AtomicBool>> = hosts.iter().map(|_| Arc::default()).collect();
        let target = |host: &&str| Target::plain(&format!("http://{host}/"));
        let members = hosts.iter().map(target).zip(down.iter().cloned());
        Scene { balancer: Balancer::new(members), down }
    }

    fn host(choice: &Choice<'_>) -> String {
        choice.target().origin.host.clone()
    }

    fn taken(balancer: &Balancer, requests: usize) -> Vec<String> {
        (0..requests).map(|_| host(&balancer.next().expect("one is up"))).collect()
    }

    fn count(taken: &[String], host: &str) -> usize {
        taken.iter().filter(|taken| *taken == host).count()
    }

    #[test]
    fn each_has_its_turn() {
        let Scene { balancer, .. } = scene(&["a", "b", "c"]);
        let taken = taken(&balancer, 300);
        assert!(taken.windows(3).all(|three| three[0] != three[1] && three[1] != three[2] && three[0] != three[2]));
        assert_eq!(["a", "b", "c"].map(|host| count(&taken, host)), [100; 3]);
    }

    #[test]
    fn who_is_named_twice_has_two_turns() {
        let Scene { balancer, .. } = scene(&["a", "b", "a"]);
        let taken = taken(&balancer, 300);
        assert_eq!(["a", "b"].map(|host| count(&taken, host)), [200, 100]);
    }

    #[test]
    fn threads_together_are_even_within_one_for_each() {
        let Scene { balancer, .. } = scene(&["a", "b", "c"]);
        let all: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| taken(&balancer, 250))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        });
        // More threads than cores may share a counter, and take a turn twice.
        for host in ["a", "b", "c"] {
            assert!((200..=470).contains(&count(&all, host)), "{host}: {}", count(&all, host));
        }
    }

    #[test]
    fn who_is_down_is_left_out_until_he_is_up() {
        let Scene { balancer, down } = scene(&["a", "b", "c"]);
        down[1].store(true, Ordering::Relaxed);
        assert_eq!(count(&taken(&balancer, 300), "b"), 0);
        down[1].store(false, Ordering::Relaxed);
        assert_eq!(count(&taken(&balancer, 300), "b"), 100);
        down.iter().for_each(|down| down.store(true, Ordering::Relaxed));
        assert_eq!(balancer.next().expect_err("nobody is up"), AllDown);
    }

    #[test]
    fn instead_of_one_every_other_is_tried_once() {
        let Scene { balancer, down } = scene(&["a", "a", "b", "c", "d"]);
        down[3].store(true, Ordering::Relaxed);
        let mut tried = Vec::new();
        let mut choice = Some(Choice { balancer: &balancer, at: 0, left: 5 });
        while let Some(next) = choice {
            tried.push(host(&next));
            choice = next.instead();
        }
        assert_eq!(tried, ["a", "b", "d"]);
    }
}
