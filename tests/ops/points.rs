//! `Points`: what it refuses, and how it says so.

use sharpdim::ops::pair_distances;
use sharpdim::{Device, Error, Points, bf16, f16};

#[test]
fn ragged_samples_are_refused() {
    for dim in [0, 2, 4] {
        let error = Points::u8(&[1, 2, 3], dim).unwrap_err();
        assert!(matches!(error, Error::Argument(_)), "{error}");
        assert!(matches!(Points::f32(&[1.0, 2.0, 3.0], dim), Err(Error::Argument(_))));
        assert!(matches!(Points::f64(&[1.0, 2.0, 3.0], dim), Err(Error::Argument(_))));
        assert!(matches!(Points::f16(&[f16::ONE; 3], dim), Err(Error::Argument(_))));
        assert!(matches!(Points::bf16(&[bf16::ONE; 3], dim), Err(Error::Argument(_))));
    }
    assert_eq!(Points::u8(&[], 3).unwrap().n(), 0);
}

#[test]
fn the_first_value_that_is_not_finite_is_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = vec![0.5; 300_000];
        values[299_999] = bad;
        values[140_007] = bad;
        let error = Points::f32(&values, 1000).unwrap_err();
        assert!(matches!(error, Error::Data(_)));
        let said = error.to_string();
        assert!(said.contains("sample 140 ") && said.contains("position 7:"), "{said}");
        let halves: Vec<f16> = values.iter().map(|v| f16::from_f32(*v)).collect();
        assert_eq!(Points::f16(&halves, 1000).unwrap_err().to_string(), said);
        let halves: Vec<bf16> = values.iter().map(|v| bf16::from_f32(*v)).collect();
        assert_eq!(Points::bf16(&halves, 1000).unwrap_err().to_string(), said);
    }
}

/// Between the magnitudes that are taken no square of a difference vanishes, and no sum of squares overflows.
#[test]
fn doubles_whose_squares_would_not_do_are_refused() {
    for bad in [f64::NAN, f64::INFINITY, 1.01e130, -1e300, 0.99e-130, -5e-324] {
        let error = Points::f64(&[0.0, -0.0, 1e130, 1e-130, -1e-130, bad], 3).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, Error::Data(_)) && said.contains("sample 1 has the value "), "{said}");
        assert!(said.contains("position 2: ") && said.contains("between 1e-130 and 1e130"), "{said}");
    }
    let apart = [1e-130, 1e-130f64.next_up(), -1e130, 1e130];
    let found = pair_distances(&Device::cpu(), &Points::f64(&apart, 1).unwrap(), &[(0, 1), (2, 3)]).unwrap();
    assert!(found[0] > 0.0 && found[1] == (2e130f64).powi(2));
}
