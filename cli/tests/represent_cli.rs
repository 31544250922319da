//! `sharpdim represent` as its users meet it: after `train`, what it prints and writes, and what it says when
//! something is wrong.

#[path = "support/binary.rs"]
mod binary;
#[path = "support/ran.rs"]
mod ran;

const PROGRAM: &str = "represent";

mod represent_cli {
    mod bad;
    mod good;
}
