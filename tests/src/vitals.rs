//! What the system knows of a gateway, and what it has counted itself.

use crate::client::get;
use crate::gateway::Gateway;
use crate::within_deadline;

impl Gateway {
    /// One of its numbers: that of the line that begins with `name`, labels and all; 0 if there is none.
    pub async fn metric(&self, name: &str) -> u64 {
        let answer = self.control("/tyk/metrics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = answer.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_default()
    }

    /// How often it has refused a client for a reason.
    pub async fn refused(&self, reason: &str) -> u64 {
        self.metric(&format!("gw_clients_refused_total{{reason=\"{reason}\"}}")).await
    }

    /// How often a response of an upstream has failed in some way.
    pub async fn failed(&self, kind: &str) -> u64 {
        self.metric(&format!("gw_upstream_failures_total{{kind=\"{kind}\"}}")).await
    }

    /// Its open descriptors.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.pid())).expect("the process lives").count()
    }

    /// Waits until it has no more than so many open descriptors, beside that of the question.
    pub async fn descriptors_at_most(&self, most: usize) {
        let what = format!("{most} open descriptors or less");
        let mut client = self.connect().await;
        within_deadline(&what, async {
            // Each question takes a turn of the gateway.
            while self.descriptors() > most + 1 {
                assert_eq!(client.ask(get("/hello")).await.status, 200);
            }
        })
        .await;
    }

    /// Looks at what it has, in KiB of resident memory, until that is as it should be.
    pub async fn memory_until(&self, is_it: impl Fn(u64) -> bool) {
        let mut look = tokio::time::interval(std::time::Duration::from_millis(50));
        let looked = tokio::time::timeout(crate::DEADLINE, async {
            while !is_it(self.memory("VmRSS")) {
                look.tick().await;
            }
        });
        assert!(looked.await.is_ok(), "it is at {} KiB after {:?}", self.memory("VmRSS"), crate::DEADLINE);
    }

    /// Memory in KiB: `VmRSS` is what it has, `VmHWM` the most it has had.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn memory(&self, which: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).expect("the process lives");
        let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("a number of KiB")
    }
}
