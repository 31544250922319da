//! Measures against naive formulas, committed vectors of scikit-dimension, and known truths.

mod support;

mod measure {
    mod dimension;
    mod sharpness;
}
