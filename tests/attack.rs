//! Adversarial attacks: against PyTorch's numbers, their balls, their order, devices, masked gradients and refusals.
//! GPU devices join where the build has them (`--features emulator`, `--features cuda`).

mod support;

#[allow(dead_code, reason = "what is drawn for networks, of which this is a part")]
#[path = "nn/made.rs"]
mod made;

mod attack {
    mod balls;
    mod emulated;
    mod masked;
    mod nets;
    mod order;
    mod refusals;
    mod vectors;
}
