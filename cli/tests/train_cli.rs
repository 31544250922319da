//! `sharpdim train` as its users meet it: what it prints and writes, that nothing is lost when it is stopped
//! or killed or the disk is full, and what it says when something is wrong. On real images where `SHARPDIM_DATA` says
//! they are.

#[path = "support/binary.rs"]
mod binary;

mod train_cli {
    mod bad;
    mod good;
    mod ran;
    mod real;
    #[cfg(unix)]
    mod stopped;
}
