//! `cross_entropy` on the CPU, in f64: its cost is negligible in a network.

use super::CrossEntropy;

/// The greatest logit, and the sum of exp(z - greatest).
fn sum(logits: &[f32]) -> (f64, f64) {
    let most = logits.iter().fold(f64::NEG_INFINITY, |most, z| most.max(f64::from(*z)));
    (most, logits.iter().map(|z| (f64::from(*z) - most).exp()).sum())
}

/// The class of a label, if it is valid.
fn class(label: f32, classes: usize) -> Option<usize> {
    let class = label as usize;
    (class as f32 == label && class < classes).then_some(class)
}

pub(super) fn forward(loss: &CrossEntropy, logits: &[f32], labels: &[f32], losses: &mut [f32]) {
    for ((logits, label), out) in logits.chunks_exact(loss.classes).zip(labels).zip(losses) {
        let Some(label) = class(*label, loss.classes) else {
            *out = f32::NAN;
            continue;
        };
        let (most, sum) = sum(logits);
        *out = (sum.ln() - (f64::from(logits[label]) - most)) as f32;
    }
}

pub(super) fn backward(
    loss: &CrossEntropy,
    logits: &[f32],
    labels: &[f32],
    scale: f32,
    gradient: &mut [f32],
) {
    let images = logits.chunks_exact(loss.classes).zip(gradient.chunks_exact_mut(loss.classes));
    for ((logits, gradient), label) in images.zip(labels) {
        let Some(label) = class(*label, loss.classes) else {
            gradient.fill(f32::NAN);
            continue;
        };
        let (most, sum) = sum(logits);
        for (class, (z, out)) in logits.iter().zip(gradient).enumerate() {
            let target = f64::from(u8::from(class == label));
            *out = (f64::from(scale) * ((f64::from(*z) - most).exp() / sum - target)) as f32;
        }
    }
}
