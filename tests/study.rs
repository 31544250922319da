//! A study's fits and laws, beside statsmodels and scipy, and on observations whose laws are known.
#![cfg(feature = "study")]

mod study {
    mod figures;
    mod fit;
    mod laws;
    mod store;
}
