//! `max_pool` on every device, against a naive version, and against what PyTorch gave.
//! `tests/vectors/pools.py` makes the vectors.

use crate::support::tensors::{Tensors, Vectors, near, precisions, rounding, stored, wide};
use crate::support::{Random, devices};
use approx::abs_diff_eq;
use sharpdim::ops::max_pool::{MaxPool, backward, forward};
use sharpdim::{Device, Layout, Precision};

/// What arithmetic may cost, relative to the sum of the sizes of what is added up.
const RELATIVE: f64 = 1e-5;

/// y, dx, and the sum of the sizes of what each dx adds up: each window scatters to its first maximum, or last NaN.
fn naive(pool: &MaxPool, x: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
    let ([n, h, w, c], [_, p, q, _]) = (pool.input_shape(), pool.output_shape());
    let (mut y, mut dx, mut sizes) = (Vec::new(), vec![0.0; x.len()], vec![0.0; x.len()]);
    for image in 0..n {
        for (i, j) in (0..p).flat_map(|i| (0..q).map(move |j| (i, j))) {
            for channel in 0..c {
                let mut best: Option<usize> = None;
                for (a, b) in (0..pool.kernel).flat_map(|a| (0..pool.kernel).map(move |b| (a, b))) {
                    let (row, column) = (i * pool.stride + a, j * pool.stride + b);
                    let inside = |at: usize, extent: usize| at >= pool.padding && at < extent + pool.padding;
                    if !inside(row, h) || !inside(column, w) {
                        continue;
                    }
                    let (row, column) = (row - pool.padding, column - pool.padding);
                    let at = ((image * h + row) * w + column) * c + channel;
                    if best.is_none_or(|best| x[at] > x[best] || x[at].is_nan()) {
                        best = Some(at);
                    }
                }
                let best = best.expect("no window lies in the padding alone");
                let gradient = dy[y.len()];
                y.push(x[best]);
                dx[best] += gradient;
                sizes[best] += gradient.abs();
            }
        }
    }
    [y, dx, sizes]
}

fn run(
    device: &Device,
    precision: Precision,
    aligned: bool,
    pool: &MaxPool,
    x: &[f32],
    dy: &[f32],
) -> [Vec<f32>; 2] {
    let mut tensors = Tensors::new(precision, aligned);
    let slots = [x, dy].map(|values| tensors.values(values));
    let [x, dy, y, dx] =
        [slots[0], slots[1], tensors.values(&vec![7.0; dy.len()]), tensors.values(&vec![7.0; x.len()])];
    let mut arena = tensors.build(device);
    forward(&mut arena, pool, x, y).unwrap();
    backward(&mut arena, pool, x, y, dy, dx).unwrap();
    tensors.check(&arena);
    [y, dx].map(|slot| arena.to_vec(slot).unwrap())
}

fn check(pool: &MaxPool, aligned: bool, x: &[f32], dy: &[f32], what: &str) {
    for device in devices() {
        for precision in precisions(&device) {
            let (x, dy) = (stored(x, precision), stored(dy, precision));
            let [y, dx] = run(&device, precision, aligned, pool, &x, &dy);
            let [want, gradient, sizes] = naive(pool, &wide(&x), &wide(&dy));
            let what = format!("{what}, {pool:?}, {} on {device}", precision.name());
            near(&y, &want, |_| 0.0, &format!("y, {what}"));
            let allowed = |at: usize| {
                RELATIVE * sizes[at] + rounding(gradient[at].abs() + RELATIVE * sizes[at], precision)
            };
            near(&dx, &gradient, allowed, &format!("dx, {what}"));
        }
    }
}

/// Images, kernel, stride and padding.
const CASES: [([usize; 4], usize, usize, usize); 12] = [
    ([2, 11, 9, 3], 3, 2, 1),
    ([1, 8, 8, 64], 3, 2, 1),
    ([1, 7, 6, 65], 2, 2, 0),
    ([2, 6, 6, 8], 2, 2, 0),
    ([1, 5, 7, 1], 3, 1, 1),
    ([1, 4, 5, 200], 3, 2, 1),
    ([3, 9, 10, 4], 2, 3, 0),
    ([1, 6, 6, 2], 5, 1, 2),
    ([1, 7, 9, 2], 4, 3, 2),
    ([1, 1, 1, 5], 1, 1, 0),
    ([1, 2, 3, 4], 2, 1, 1),
    ([1, 1, 2, 3], 2, usize::MAX, 1),
];

#[test]
fn every_device_pools_and_finds_the_gradient() {
    for (at, (images, kernel, stride, padding)) in CASES.into_iter().enumerate() {
        let pool = MaxPool::new(images, kernel, stride, padding).unwrap();
        let mut random = Random::new(at as u64);
        let (len, out) = (images.iter().product(), pool.output_shape().iter().product());
        let x = random.floats(len, Random::normal);
        let dy = random.floats(out, Random::normal);
        check(&pool, true, &x, &dy, "normal");
        // Of three values, most windows have their maximum more than once.
        check(&pool, true, &random.floats(len, |r| r.below(3) as f64), &dy, "ties");
    }
}

#[test]
fn tensors_that_start_anywhere_are_as_good() {
    let pool = MaxPool::new([1, 6, 5, 16], 3, 2, 1).unwrap();
    let mut random = Random::new(40);
    let (x, dy) = (random.floats(480, Random::normal), random.floats(144, Random::normal));
    check(&pool, false, &x, &dy, "unaligned");
}

#[test]
fn nan_infinities_and_zeros_of_both_signs() {
    let pool = MaxPool::new([2, 7, 6, 8], 3, 2, 1).unwrap();
    let mut random = Random::new(41);
    let dy = random.floats(pool.output_shape().iter().product(), Random::normal);
    let special = [f64::NAN, f64::NEG_INFINITY, f64::INFINITY, 0.0, -0.0, -1.0];
    for among in [2, 3, 6] {
        check(&pool, true, &random.floats(2 * 7 * 6 * 8, |r| special[r.below(among)]), &dy, "special");
    }
    let least = vec![f32::NEG_INFINITY; 2 * 7 * 6 * 8];
    check(&pool, true, &least, &dy, "all -inf");
    check(&pool, true, &vec![f32::NAN; 2 * 7 * 6 * 8], &dy, "all NaN");
}

#[test]
fn the_oracles_gradient_is_that_of_differences() {
    let pool = MaxPool::new([1, 5, 4, 2], 3, 2, 1).unwrap();
    let mut random = Random::new(42);
    let x: Vec<f64> = (0..40).map(|_| random.normal()).collect();
    let dy: Vec<f64> = (0..pool.output_shape().iter().product()).map(|_| random.normal()).collect();
    let loss = |x: &[f64]| -> f64 { naive(&pool, x, &dy)[0].iter().zip(&dy).map(|(y, dy)| y * dy).sum() };
    let gradient = &naive(&pool, &x, &dy)[1];
    for at in 0..x.len() {
        let step = |by: f64| {
            let mut moved = x.clone();
            moved[at] += by;
            loss(&moved)
        };
        let difference = (step(1e-6) - step(-1e-6)) / 2e-6;
        assert!(
            abs_diff_eq!(difference, gradient[at], epsilon = 1e-7),
            "at {at}: {difference} for {}",
            gradient[at]
        );
    }
}

#[test]
fn equals_pytorch() {
    let vectors = Vectors::open("pools");
    let mut cases = 0;
    while let Some(case) = vectors.integers(&format!("max{cases}.case")) {
        let array = |name: &str| vectors.floats(&format!("max{cases}.{name}")).unwrap();
        let pool = MaxPool::new([case[0], case[1], case[2], case[3]], case[4], case[5], case[6]).unwrap();
        let (x, dy) = (array("x"), array("dy"));
        let [_, _, sizes] = naive(&pool, &wide(&x), &wide(&dy));
        for device in devices() {
            let [y, dx] = run(&device, Precision::F32, true, &pool, &x, &dy);
            near(&y, &wide(&array("y")), |_| 0.0, &format!("y of case {cases} on {device}"));
            let allowed = |at: usize| RELATIVE * sizes[at];
            near(&dx, &wide(&array("dx")), allowed, &format!("dx of case {cases} on {device}"));
        }
        cases += 1;
    }
    assert_eq!(cases, 6);
}

#[test]
fn bad_pools_and_operands_are_named() {
    let new = |images, kernel, stride, padding, wanted: &str| {
        let error = MaxPool::new(images, kernel, stride, padding).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}: wanted {wanted}");
    };
    let images = [1, 5, 4, 2];
    new([1, 0, 4, 2], 2, 2, 0, "images 1 x 0 x 4 x 2");
    new(images, 0, 1, 0, "windows of 0 x 0, stride 1: none may be 0");
    new(images, 2, 0, 0, "stride 0: none may be 0");
    new(images, 5, 1, 0, "windows of 5 x 5 with padding 0 do not fit images of 5 x 4");
    new(images, 3, 1, 2, "windows of 3 x 3 with padding 2 do not fit");
    new(images, usize::MAX, 1, usize::MAX, "do not fit");
    new(images, usize::MAX - 1, 1, usize::MAX / 2, "no tensor may have 2^31 values");
    new([1 << 20, 1 << 10, 2, 1], 1, 1, 0, "no tensor may have 2^31 values");
    new([1, (1 << 30) - 1, 1, 2], 2, 1, 1, "no tensor may have 2^31 values");
    for device in devices() {
        let pool = MaxPool::new(images, 2, 2, 0).unwrap();
        let mut layout = Layout::new(Precision::F32);
        let [x, y, dy, dx, short] = [40, 8, 8, 40, 7].map(|len| layout.values(len));
        let mut arena = layout.build(&device).unwrap();
        let fails = |result: sharpdim::Result<()>, wanted: &str| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}: wanted {wanted}");
        };
        fails(
            forward(&mut arena, &pool, short, y),
            "the images has 7 values, its shape 1 x 5 x 4 x 2 needs 40",
        );
        fails(
            forward(&mut arena, &pool, x, short),
            "the output has 7 values, its shape 1 x 2 x 2 x 2 needs 8",
        );
        fails(
            forward(&mut arena, &pool, x, x.part(3, 8)),
            "the output is written, and shares memory with the images",
        );
        fails(backward(&mut arena, &pool, short, y, dy, dx), "the images has 7 values");
        fails(backward(&mut arena, &pool, x, short, dy, dx), "the output has 7 values");
        fails(backward(&mut arena, &pool, x, y, short, dx), "the output's gradient has 7 values");
        fails(backward(&mut arena, &pool, x, y, dy, short), "the images' gradient has 7 values");
        fails(backward(&mut arena, &pool, x, y, dy, x), "shares memory with the images");
    }
}
