//! `sharpdim attack` as its users meet it: after `train`, what it prints and draws, what it keeps when it is
//! stopped, and what it says when something is wrong.

#[path = "support/binary.rs"]
mod binary;
#[path = "support/ran.rs"]
mod ran;

const PROGRAM: &str = "attack";

mod attack_cli {
    mod bad;
    mod good;
    mod stopped;
}
