//! `sharpdim measure` as its users meet it: what it prints, in which form, and what it says and
//! returns when something is wrong. On real images where `SHARPDIM_DATA` says they are.

#[allow(dead_code, reason = "shared with tests/data.rs, which uses all of it")]
#[path = "../../tests/data/make.rs"]
mod make;

#[path = "support/binary.rs"]
mod binary;

mod measure_cli {
    mod bad;
    mod cached;
    mod calibrated;
    mod estimators;
    mod files;
    mod further;
    mod good;
    mod named;
    mod ran;
    mod real;
    mod several;
}
