//! The cache of decoded images as the program uses it: the user's, or none with --no-cache.

use sharpdim::data::{Cache, Dataset};

/// The user's cache, or none.
pub fn cache(without: bool) -> Option<Cache> {
    Cache::standard().filter(|_| !without)
}

/// The dataset with the user's cache, or without any.
pub fn cached(dataset: Dataset, without: bool) -> Dataset {
    match cache(without) {
        Some(cache) => dataset.with_cache(cache),
        None => dataset,
    }
}
