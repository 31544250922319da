//! Data in: every format, every way it can be wrong, choosing, preprocessing.
//! Files are made here, byte by byte; the real packs are read where `SHARPDIM_DATA` says they are.

#[path = "support/npz.rs"]
mod npz;

mod data {
    pub mod bad;
    pub mod cache;
    pub mod embed;
    pub mod features;
    pub mod formats;
    pub mod fuzz;
    pub mod generate;
    pub mod generated;
    pub mod jpeg;
    pub mod make;
    pub mod manifolds;
    pub mod mapped;
    pub mod named;
    pub mod named_bad;
    pub mod named_split;
    pub mod native;
    pub mod native_bad;
    pub mod others;
    pub mod preprocess;
    pub mod real;
    pub mod resize;
    pub mod select;
    pub mod tensors;
}
