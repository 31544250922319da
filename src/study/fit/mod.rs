//! Fits and statistics of a study's results.
