//! Measures against naive formulas, committed vectors of scikit-dimension, and known truths.

mod support;

mod measure {
    mod curation;
    mod dimension;
    mod released;
    mod sharpness;
}
