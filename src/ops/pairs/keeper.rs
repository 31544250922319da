//! Keeps the candidates for a sample's k nearest among the pairs offered to it, given only bounds.

/// A sample's candidates so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keeper {
    /// The k smallest upper bounds of squared distances, ascending; empty where distances are exact.
    pub upper: Vec<f64>,
    /// Candidates for the k nearest: lower bound of the squared distance, and sample.
    pub found: Vec<(f64, u32)>,
    /// Where distances are exact: pairs above this are not among the k nearest.
    pub exact: Option<f64>,
    /// Too many candidates: this screen is too coarse for this sample.
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
            // An occasional selection is cheaper than a sorted list, and admits few more pairs.
            let most = 2 * k + 16;
            if self.found.is_empty() {
                // At once: lists that grow step by step make threads wait for the allocator.
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
        // Most samples never need the full capacity: for many samples it would be most of the memory.
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

/// The capacity of a keeper.
pub(crate) fn capacity(k: usize) -> usize {
    4 * k + 128
}

/// Keeps the `k` nearest, with the farthest of them last.
pub(crate) fn keep_nearest(found: &mut Vec<(f64, u32)>, k: usize) {
    if found.len() > k {
        found.select_nth_unstable_by(k - 1, order);
        found.truncate(k);
    }
}

pub(crate) fn sort(found: &mut [(f64, u32)]) {
    found.sort_unstable_by(order);
}

/// Nearer pairs first; ties go to the lower index.
fn order(a: &(f64, u32), b: &(f64, u32)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}
