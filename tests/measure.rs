//! Measures against naive formulas, committed vectors of scikit-dimension, and known truths.

#[path = "support/npz.rs"]
mod npz;
mod support;

mod measure {
    mod apart;
    mod calibration;
    mod coverage;
    mod cross;
    mod curation;
    mod curves;
    mod dimension;
    mod dimension_vectors;
    mod naive;
    mod released;
    mod sharpness;
}
