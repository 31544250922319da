//! `sharpdim study` as its users meet it: that nothing is lost or done twice when it is killed, stopped, split into shards
//! or run by several processes at once, and what it says when something is wrong.

#[path = "support/binary.rs"]
mod binary;

mod study_cli {
    mod bad;
    mod good;
    mod ran;
    #[cfg(unix)]
    mod stopped;
}
