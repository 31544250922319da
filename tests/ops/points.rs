//! `Points`: what it refuses, and how it says so.

use sharpdim::{Error, Points, bf16, f16};

#[test]
fn ragged_samples_are_refused() {
    for dim in [0, 2, 4] {
        let error = Points::u8(&[1, 2, 3], dim).unwrap_err();
        assert!(matches!(error, Error::Argument(_)), "{error}");
        assert!(matches!(Points::f32(&[1.0, 2.0, 3.0], dim), Err(Error::Argument(_))));
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
