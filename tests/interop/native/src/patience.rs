//! How often the peer may ping.

use std::time::{Duration, Instant};

use crate::wire::Violation;

const BURST: f64 = 10.0;

/// Pings in stock: each takes one, and one is added in each interval, up to a burst.
pub struct Patience {
    interval: Duration,
    stock: f64,
    seen_at: Instant,
}

impl Patience {
    pub fn new(interval_ms: u64) -> Self {
        Self { interval: Duration::from_millis(interval_ms), stock: BURST, seen_at: Instant::now() }
    }

    pub fn ping(&mut self) -> Result<(), Violation> {
        if self.interval.is_zero() {
            return Ok(());
        }
        let now = Instant::now();
        let intervals = now.duration_since(self.seen_at).as_secs_f64() / self.interval.as_secs_f64();
        self.seen_at = now;
        self.stock = BURST.min(self.stock + intervals) - 1.0;
        if self.stock < 0.0 {
            let least = self.interval.as_millis();
            return Err(Violation::limit(format!("too_many_pings: they may come every {least} ms on average")));
        }
        Ok(())
    }
}
