//! Keeps, of the pairs offered to it, those that may be among the k nearest, given only bounds.

/// What a sample knows of its neighbours so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keeper {
    /// The k smallest greatest-possible squared distances, ascending; empty where distances are exact.
    pub upper: Vec<f64>,
    /// Pairs that may be among the k nearest: least possible squared distance and sample.
    pub found: Vec<(f64, u32)>,
    /// Distances are exact, and pairs above this one are not among the k nearest.
    pub exact: Option<f64>,
    /// Too many pairs may be: this screen is too coarse for this sample.
    pub loose: bool,
    /// Wants no more pairs.
    pub closed: bool,
}

impl Keeper {
    /// The squared distance above which a pair cannot be among the k nearest.
    pub(crate) fn reach(&self, k: usize) -> f64 {
        if self.loose || self.closed {
            f64::NEG_INFINITY
        } else if let Some(reach) = self.exact {
            reach
        } else {
            self.upper.get(k - 1).copied().unwrap_or(f64::INFINITY)
        }
    }

    pub(crate) fn offer(&mut self, k: usize, exact: bool, (low, high): (f64, f64), j: usize) {
        let reach = self.reach(k);
        if low > reach {
            return;
        }
        if exact {
            // A selection now and then is cheaper than a sorted list, and lets few more pairs in.
            let most = 2 * k + 16;
            if self.found.is_empty() {
                // At once: lists that grow step by step have threads wait for the allocator.
                self.found.reserve_exact(most);
            }
            self.found.push((low, j as u32));
            let reach = self.exact.get_or_insert(f64::INFINITY);
            if self.found.len() >= most {
                keep_nearest(&mut self.found, k);
                *reach = self.found[k - 1].0;
            }
            return;
        }
        if self.found.capacity() == 0 {
            self.upper.reserve_exact(k);
            self.found.reserve_exact(2 * k + 32);
        }
        if high < reach {
            self.upper.truncate(k - 1);
            let at = self.upper.partition_point(|u| *u <= high);
            self.upper.insert(at, high);
        }
        self.found.push((low, j as u32));
        // Most samples never need the room that there may be: of many samples it would be most of the memory.
        if self.found.len() == self.found.capacity() || self.found.len() > capacity(k) {
            let reach = self.reach(k);
            self.found.retain(|(low, _)| *low <= reach);
            let left = self.found.len();
            if left > capacity(k) / 2 {
                self.loose = true;
                self.found = Vec::new();
            } else if left > self.found.capacity() / 4 * 3 {
                self.found.reserve_exact(capacity(k) + 1 - left);
            }
        }
    }
}

/// Pairs that a keeper holds at most.
pub(crate) fn capacity(k: usize) -> usize {
    4 * k + 128
}

/// Leaves the `k` nearest, the last of them in the last place.
pub(crate) fn keep_nearest(found: &mut Vec<(f64, u32)>, k: usize) {
    if found.len() > k {
        found.select_nth_unstable_by(k - 1, order);
        found.truncate(k);
    }
}

pub(crate) fn sort(found: &mut [(f64, u32)]) {
    found.sort_unstable_by(order);
}

/// The nearer first; of ties the lower index.
fn order(a: &(f64, u32), b: &(f64, u32)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}
