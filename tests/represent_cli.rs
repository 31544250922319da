//! The example binary `represent` as its users meet it: after `train`, what it prints and writes, and what it says when
//! something is wrong.

#[path = "support/binary.rs"]
mod binary;

mod represent_cli {
    mod bad;
    mod good;
    mod ran;
}
