//! Keeps, of the pairs offered to it, those that may be among the k nearest, given only bounds.

/// What a sample knows of its neighbours so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keeper {
    /// The k smallest greatest-possible squared distances, ascending.
    pub upper: Vec<f64>,
    /// Pairs that may be among the k nearest: least possible squared distance and sample.
    pub found: Vec<(f64, u32)>,
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
        } else if self.upper.len() < k {
            f64::INFINITY
        } else {
            self.upper[k - 1]
        }
    }

    pub(crate) fn offer(&mut self, k: usize, exact: bool, (low, high): (f64, f64), j: usize) {
        let reach = self.reach(k);
        if low > reach {
            return;
        }
        if high < reach {
            self.upper.truncate(k - 1);
            let at = self.upper.partition_point(|u| *u <= high);
            self.upper.insert(at, high);
        }
        self.found.push((low, j as u32));
        if self.found.len() > capacity(k) {
            let reach = self.reach(k);
            self.found.retain(|(low, _)| *low <= reach);
            if self.found.len() > capacity(k) / 2 {
                if exact {
                    // Only ties are left over: the lower index wins.
                    sort(&mut self.found);
                    self.found.truncate(k);
                } else {
                    self.loose = true;
                    self.found = Vec::new();
                }
            }
        }
    }
}

/// Pairs that a keeper holds at most.
pub(crate) fn capacity(k: usize) -> usize {
    4 * k + 128
}

pub(crate) fn sort(found: &mut [(f64, u32)]) {
    found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
}
