//! `avg_pool` on every device, against a naive f64 version, and against what PyTorch gave.
//! `tests/vectors/pools.py` makes the vectors.

use crate::support::tensors::{Tensors, Vectors, near, precisions, rounding, stored, wide};
use crate::support::{Random, devices};
use approx::abs_diff_eq;
use sharpdim::ops::avg_pool::{AvgPool, backward, forward};
use sharpdim::{Device, Layout, Precision};

/// What arithmetic may cost, relative to the sum of the sizes of what is added up.
const RELATIVE: f64 = 1e-5;

/// y and the sizes of what each adds up, dx and the sizes of what each adds up.
fn naive(pool: &AvgPool, x: &[f64], dy: &[f64]) -> [Vec<f64>; 4] {
    let ([n, h, w, c], [_, p, q, _]) = (pool.input_shape(), pool.output_shape());
    let [mut y, mut y_sizes] = [0; 2].map(|_| vec![0.0; dy.len()]);
    let [mut dx, mut dx_sizes] = [0; 2].map(|_| vec![0.0; x.len()]);
    // Bounds as real numbers, as the definition has them; exact, for these extents.
    let bounds = |at: usize, count: usize, extent: usize| {
        let edge = |at: usize| at as f64 * extent as f64 / count as f64;
        edge(at).floor() as usize..edge(at + 1).ceil() as usize
    };
    for (image, i, j, channel) in
        (0..n * p * q * c).map(|at| (at / c / q / p, at / c / q % p, at / c % q, at % c))
    {
        let out = ((image * p + i) * q + j) * c + channel;
        let (rows, columns) = (bounds(i, p, h), bounds(j, q, w));
        let count = (rows.len() * columns.len()) as f64;
        for (row, column) in rows.flat_map(|row| columns.clone().map(move |column| (row, column))) {
            let at = ((image * h + row) * w + column) * c + channel;
            y[out] += x[at] / count;
            y_sizes[out] += x[at].abs() / count;
            dx[at] += dy[out] / count;
            dx_sizes[at] += dy[out].abs() / count;
        }
    }
    [y, y_sizes, dx, dx_sizes]
}

fn run(
    device: &Device,
    precision: Precision,
    aligned: bool,
    pool: &AvgPool,
    x: &[f32],
    dy: &[f32],
) -> [Vec<f32>; 2] {
    let mut tensors = Tensors::new(precision, aligned);
    let [x_slot, dy_slot] = [x, dy].map(|values| tensors.values(values));
    let [y, dx] = [dy, x].map(|like| tensors.values(&vec![f32::NAN; like.len()]));
    let mut arena = tensors.build(device);
    forward(&mut arena, pool, x_slot, y).unwrap();
    backward(&mut arena, pool, dy_slot, dx).unwrap();
    tensors.check(&arena);
    [y, dx].map(|slot| arena.to_vec(slot).unwrap())
}

fn check(pool: &AvgPool, aligned: bool, x: &[f32], dy: &[f32]) {
    for device in devices() {
        for precision in precisions(&device) {
            let (x, dy) = (stored(x, precision), stored(dy, precision));
            let [y, dx] = run(&device, precision, aligned, pool, &x, &dy);
            let [want, sizes, gradient, gradient_sizes] = naive(pool, &wide(&x), &wide(&dy));
            let what = format!("{pool:?}, {} on {device}, aligned {aligned}", precision.name());
            // Arithmetic in f32, then the rounding of what is stored.
            let allowed =
                |want: f64, size: f64| RELATIVE * size + rounding(want.abs() + RELATIVE * size, precision);
            near(&y, &want, |at| allowed(want[at], sizes[at]), &format!("y, {what}"));
            let of_gradient = |at: usize| allowed(gradient[at], gradient_sizes[at]);
            near(&dx, &gradient, of_gradient, &format!("dx, {what}"));
        }
    }
}

/// Images, and the height and width of the output.
const CASES: [([usize; 4], [usize; 2]); 12] = [
    ([2, 7, 7, 64], [1, 1]),
    ([3, 7, 7, 65], [1, 1]),
    ([1, 4, 3, 200], [1, 1]),
    ([2, 1, 1, 3], [7, 7]),
    ([1, 2, 2, 8], [7, 7]),
    ([1, 5, 9, 4], [7, 7]),
    ([1, 14, 14, 8], [7, 7]),
    ([1, 7, 7, 3], [7, 7]),
    ([2, 9, 5, 1], [4, 3]),
    ([1, 3, 11, 5], [2, 13]),
    ([1, 1, 1, 1], [1, 1]),
    ([1, 60, 50, 2], [1, 1]),
];

#[test]
fn every_device_averages_and_finds_the_gradient() {
    for (at, (images, size)) in CASES.into_iter().enumerate() {
        let pool = AvgPool::new(images, size).unwrap();
        let mut random = Random::new(at as u64);
        let x = random.floats(images.iter().product(), |r| r.normal() + 0.5);
        let dy = random.floats(pool.output_shape().iter().product(), Random::normal);
        check(&pool, true, &x, &dy);
    }
}

#[test]
fn extents_whose_product_takes_64_bits() {
    let pool = AvgPool::new([1, 70_001, 1, 1], [69_999, 1]).unwrap();
    let mut random = Random::new(50);
    let (x, dy) = (random.floats(70_001, Random::normal), random.floats(69_999, Random::normal));
    check(&pool, true, &x, &dy);
}

#[test]
fn tensors_that_start_anywhere_are_as_good() {
    let pool = AvgPool::new([1, 6, 5, 16], [3, 2]).unwrap();
    let mut random = Random::new(51);
    let (x, dy) = (random.floats(480, Random::normal), random.floats(96, Random::normal));
    check(&pool, false, &x, &dy);
}

#[test]
fn the_oracles_gradient_is_that_of_differences() {
    let pool = AvgPool::new([1, 5, 4, 2], [3, 6]).unwrap();
    let mut random = Random::new(52);
    let x: Vec<f64> = (0..40).map(|_| random.normal()).collect();
    let dy: Vec<f64> = (0..36).map(|_| random.normal()).collect();
    let loss = |x: &[f64]| -> f64 { naive(&pool, x, &dy)[0].iter().zip(&dy).map(|(y, dy)| y * dy).sum() };
    let gradient = &naive(&pool, &x, &dy)[2];
    for at in 0..x.len() {
        let step = |by: f64| {
            let mut moved = x.clone();
            moved[at] += by;
            loss(&moved)
        };
        let difference = (step(0.5) - step(-0.5)) / 1.0;
        assert!(
            abs_diff_eq!(difference, gradient[at], epsilon = 1e-9),
            "at {at}: {difference} for {}",
            gradient[at]
        );
    }
}

#[test]
fn equals_pytorch() {
    let vectors = Vectors::open("pools");
    let mut cases = 0;
    while let Some(case) = vectors.integers(&format!("avg{cases}.case")) {
        let array = |name: &str| vectors.floats(&format!("avg{cases}.{name}")).unwrap();
        let pool = AvgPool::new([case[0], case[1], case[2], case[3]], [case[4], case[5]]).unwrap();
        let (x, dy) = (array("x"), array("dy"));
        let [_, y_sizes, _, dx_sizes] = naive(&pool, &wide(&x), &wide(&dy));
        for device in devices() {
            let [y, dx] = run(&device, Precision::F32, true, &pool, &x, &dy);
            let what = |tensor: &str| format!("{tensor} of case {cases} on {device}");
            near(&y, &wide(&array("y")), |at| RELATIVE * y_sizes[at], &what("y"));
            near(&dx, &wide(&array("dx")), |at| RELATIVE * dx_sizes[at], &what("dx"));
        }
        cases += 1;
    }
    assert_eq!(cases, 6);
}

#[test]
fn bad_pools_and_operands_are_named() {
    for (images, size) in [
        ([1, 0, 4, 2], [1, 1]),
        ([1, 5, 4, 2], [0, 7]),
        ([1 << 20, 1 << 11, 1, 1], [1, 1]),
        ([1 << 20, 1, 1, 2], [64, 32]),
    ] {
        let error = AvgPool::new(images, size).unwrap_err().to_string();
        let [n, h, w, c] = images;
        assert!(
            error.contains(&format!("images {n} x {h} x {w} x {c} to {} x {}", size[0], size[1])),
            "{error}"
        );
    }
    for device in devices() {
        let pool = AvgPool::new([1, 5, 4, 2], [2, 2]).unwrap();
        let mut layout = Layout::new(Precision::F32);
        let [x, y, short] = [40, 8, 7].map(|len| layout.values(len));
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
            forward(&mut arena, &pool, x, x.part(32, 8)),
            "the output is written, and shares memory with the images",
        );
        fails(backward(&mut arena, &pool, short, x), "the output's gradient has 7 values");
        fails(backward(&mut arena, &pool, y, short), "the images' gradient has 7 values");
        fails(backward(&mut arena, &pool, x.part(0, 8), x), "shares memory with the output's gradient");
    }
}
