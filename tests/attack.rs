//! Adversarial attacks.
mod support;
