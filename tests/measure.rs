//! Measures against naive formulas, committed vectors of scikit-dimension, and known truths.

mod support;

mod measure {
    mod cross;
    mod dimension;
    mod sharpness;
}
