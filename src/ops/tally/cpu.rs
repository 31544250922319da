//! `tally` on the CPU: one thread, as a batch has some thousand logits.

use super::Tally;

/// Whether the label's logit is the first of the greatest: those before it are less, those after it no greater. False
/// with NaN.
fn is_correct(logits: &[f32], label: f32) -> bool {
    let class = label as usize;
    if class as f32 != label || class >= logits.len() {
        return false;
    }
    let most = logits[class];
    logits[..class].iter().all(|z| *z < most) && logits[class..].iter().all(|z| *z <= most)
}

pub(super) fn record(
    tally: &Tally,
    logits: &[f32],
    labels: &[f32],
    losses: &[f32],
    place: &[f32],
    table: &mut [f32],
    halt: &mut f32,
) {
    let (from, rows) = (place[0] as usize, place[1] as usize);
    let (to_losses, to_correct) = table.split_at_mut(tally.len);
    let images = logits.chunks_exact(tally.classes).zip(labels).zip(losses).take(rows);
    for (i, ((logits, label), loss)) in images.enumerate() {
        if !loss.is_finite() {
            *halt = 1.0;
        }
        let at = from.saturating_add(i);
        if at < tally.len {
            to_losses[at] = *loss;
            to_correct[at] = f32::from(u8::from(is_correct(logits, *label)));
        }
    }
}
