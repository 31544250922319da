//! Dimension and label sharpness of representations: against the same measured by hand, against torchvision's activations
//! and scikit-dimension, by way of a file, and what is refused.

#[allow(dead_code, reason = "tests of networks use the rest")]
#[path = "nn/made.rs"]
mod made;

mod represent {
    mod by_hand;
    mod fixture;
    mod refusals;
    mod torchvision;
}
