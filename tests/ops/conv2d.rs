//! `conv2d` and its gradients: every device and precision against a naive f64 version of the definition, whose own
//! gradients are checked by differences; PyTorch's numbers (tests/vectors/conv2d.py); and what is refused.

use crate::support::{Random, devices};
use approx::abs_diff_eq;
use half::bf16;
use safetensors::SafeTensors;
use sharpdim::ops::Activation;
use sharpdim::ops::conv2d::{self, Conv2d};
use sharpdim::{Arena, Device, Error, Layout, Precision, Slot};

/// Batch, rows, pixels in a row, channels; filters, their size, stride, padding.
type Shape = ([usize; 4], usize, usize, usize, usize);

/// Extents that hurt: one of each, channels that are no multiple of 16 bytes and those that are, more lines than a
/// tile has, sums long enough to be split, strides beyond the kernel, pixels that no patch reaches.
const SHAPES: [Shape; 30] = [
    ([1, 1, 1, 1], 1, 1, 1, 0),
    ([2, 5, 4, 3], 8, 1, 1, 0),
    ([1, 6, 7, 8], 20, 1, 2, 0),
    ([1, 7, 5, 4], 4, 1, 3, 0),
    ([2, 5, 7, 8], 8, 3, 1, 1),
    ([3, 8, 9, 8], 64, 3, 1, 1),
    ([1, 9, 6, 20], 65, 3, 2, 1),
    ([2, 8, 10, 16], 8, 3, 2, 1),
    ([1, 11, 13, 1], 8, 7, 2, 3),
    ([2, 12, 9, 3], 20, 7, 2, 3),
    ([1, 5, 5, 64], 64, 3, 1, 1),
    ([1, 4, 6, 64], 65, 3, 2, 1),
    ([1, 4, 5, 72], 136, 3, 1, 1),
    ([1, 7, 6, 136], 72, 3, 2, 1),
    ([2, 3, 9, 8], 16, 2, 1, 1),
    ([1, 10, 3, 8], 8, 3, 5, 2),
    ([1, 3, 2, 5], 3, 3, 4, 1),
    // On the CPU by Winograd's algorithm: tiles of 4 x 4 pixels that images fill or not.
    ([51, 2, 3, 64], 64, 3, 1, 1),
    ([16, 5, 7, 128], 64, 3, 1, 1),
    ([13, 7, 7, 64], 192, 3, 1, 1),
    ([3, 14, 14, 64], 64, 3, 1, 1),
    ([1, 33, 41, 64], 128, 3, 1, 1),
    // On the CPU as products of pairs of pixels.
    ([49, 1, 1, 64], 64, 3, 1, 1),
    ([8, 2, 2, 64], 128, 3, 1, 1),
    ([11, 2, 2, 128], 64, 3, 2, 1),
    ([9, 2, 1, 64], 64, 1, 2, 0),
    ([10, 1, 3, 64], 64, 3, 1, 1),
    // Linear layers.
    ([3, 1, 1, 65], 20, 1, 1, 0),
    ([2, 1, 1, 512], 136, 1, 1, 0),
    ([130, 1, 1, 8], 8, 1, 1, 0),
];

fn conv_of((images, filters, kernel, stride, padding): Shape) -> Conv2d {
    Conv2d::new(images, filters, kernel, stride, padding).unwrap()
}

/// Calls `each(x, w, y)` with the places of every product of the definition.
fn products(conv: &Conv2d, mut each: impl FnMut(usize, usize, usize)) {
    let [_, height, width, channels] = conv.input_shape();
    let (stride, padding, kernel) = (conv.stride as isize, conv.padding as isize, conv.kernel);
    let [batch, out_height, out_width, filters] = conv.output_shape();
    for n in 0..batch {
        for p in 0..out_height {
            for q in 0..out_width {
                for k in 0..filters {
                    for r in 0..kernel {
                        for s in 0..kernel {
                            let h = p as isize * stride - padding + r as isize;
                            let w = q as isize * stride - padding + s as isize;
                            if h < 0 || w < 0 || h >= height as isize || w >= width as isize {
                                continue;
                            }
                            for c in 0..channels {
                                let x = ((n * height + h as usize) * width + w as usize) * channels + c;
                                let weight = ((k * kernel + r) * kernel + s) * channels + c;
                                each(x, weight, ((n * out_height + p) * out_width + q) * filters + k);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// y without ReLU.
fn oracle_y(conv: &Conv2d, x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
    let mut y: Vec<f64> = (0..conv.output_len()).map(|i| b[i % conv.out_channels]).collect();
    products(conv, |xi, wi, yi| y[yi] += x[xi] * w[wi]);
    y
}

fn oracle_dx(conv: &Conv2d, dy: &[f64], w: &[f64]) -> Vec<f64> {
    let mut dx = vec![0.0; conv.input_len()];
    products(conv, |xi, wi, yi| dx[xi] += dy[yi] * w[wi]);
    dx
}

fn oracle_dw(conv: &Conv2d, dy: &[f64], x: &[f64]) -> Vec<f64> {
    let mut dw = vec![0.0; conv.weight_len()];
    products(conv, |xi, wi, yi| dw[wi] += dy[yi] * x[xi]);
    dw
}

fn oracle_db(conv: &Conv2d, dy: &[f64]) -> Vec<f64> {
    let mut db = vec![0.0; conv.out_channels];
    dy.iter().enumerate().for_each(|(i, v)| db[i % conv.out_channels] += v);
    db
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

fn sizes(values: &[f64]) -> Vec<f64> {
    values.iter().map(|v| v.abs()).collect()
}

/// What a convolution and its gradients are of.
struct Data {
    x: Vec<f32>,
    w: Vec<f32>,
    b: Vec<f32>,
    dy: Vec<f32>,
    /// What is in dx before something is added to it.
    dx: Vec<f32>,
}

impl Data {
    fn new(conv: &Conv2d, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut draw = |len| random.floats(len, Random::normal);
        Data {
            x: draw(conv.input_len()),
            w: draw(conv.weight_len()),
            b: draw(conv.out_channels),
            dy: draw(conv.output_len()),
            dx: draw(conv.input_len()),
        }
    }

    /// Operands as a precision holds them; the bias is always of 32 bits.
    fn rounded(mut self, precision: Precision) -> Self {
        if precision == Precision::Bf16 {
            for values in [&mut self.x, &mut self.w, &mut self.dy, &mut self.dx] {
                values.iter_mut().for_each(|v| *v = bf16::from_f32(*v).to_f32());
            }
        }
        self
    }
}

/// What a device makes of it.
struct Results {
    y: Vec<f32>,
    positive: Vec<f32>,
    without_bias: Vec<f32>,
    dx: Vec<f32>,
    added: Vec<f32>,
    dw: Vec<f32>,
    db: Vec<f32>,
}

fn bits(values: &[f32]) -> impl Iterator<Item = u32> {
    values.iter().map(|v| v.to_bits())
}

/// Operands start `offset` values after where an arena puts them: after a multiple of 16 bytes or not.
fn run(device: &Device, conv: &Conv2d, precision: Precision, data: &Data, offset: usize) -> Results {
    let mut layout = Layout::new(precision);
    let mut values = |len: usize| layout.values(len + offset).part(offset, len);
    let (x, w, dy) = (values(conv.input_len()), values(conv.weight_len()), values(conv.output_len()));
    let (y, dx) = (values(conv.output_len()), values(conv.input_len()));
    let mut floats = |len: usize| layout.f32(len + offset).part(offset, len);
    let (b, dw, db) = (floats(conv.out_channels), floats(conv.weight_len()), floats(conv.out_channels));
    let work = floats(conv.workspace_len(device, precision));
    let mut arena = layout.build(device).unwrap();
    for (slot, values) in [(x, &data.x), (w, &data.w), (b, &data.b), (dy, &data.dy)] {
        arena.write(slot, values).unwrap();
    }
    // What an operation leaves of this shows.
    let spoil = |arena: &mut Arena, slots: &[Slot]| {
        slots.iter().for_each(|slot| arena.write(*slot, &vec![f32::NAN; slot.len()]).unwrap());
    };
    let forward = |arena: &mut Arena, bias, activation| {
        spoil(arena, &[y, work]);
        conv2d::forward(arena, conv, x, w, bias, activation, y, work).unwrap();
        arena.to_vec(y).unwrap()
    };
    let without_bias = forward(&mut arena, Slot::NONE, Activation::Identity);
    let positive = forward(&mut arena, b, Activation::Relu);
    let y = forward(&mut arena, b, Activation::Identity);

    spoil(&mut arena, &[dx, work]);
    conv2d::backward_input(&mut arena, conv, dy, w, false, dx, work).unwrap();
    let first = arena.to_vec(dx).unwrap();
    arena.write(dx, &data.dx).unwrap();
    spoil(&mut arena, &[work]);
    conv2d::backward_input(&mut arena, conv, dy, w, true, dx, work).unwrap();
    let added = arena.to_vec(dx).unwrap();

    spoil(&mut arena, &[dw, db, work]);
    conv2d::backward_weight(&mut arena, conv, x, dy, dw, Slot::NONE, work).unwrap();
    let alone = arena.to_vec(dw).unwrap();
    spoil(&mut arena, &[dw, work]);
    conv2d::backward_weight(&mut arena, conv, x, dy, dw, db, work).unwrap();
    let dw = arena.to_vec(dw).unwrap();
    assert!(bits(&alone).eq(bits(&dw)), "the weights' gradient, with the bias' or without");
    Results { y, positive, without_bias, dx: first, added, dw, db: arena.to_vec(db).unwrap() }
}

/// How far a value may be from the exact one, of its size and of the sum of its products' sizes.
type Bound = dyn Fn(f64, f64) -> f64;

#[track_caller]
fn compare(what: &str, got: &[f32], want: &[f64], sizes: &[f64], bound: &Bound) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (at, ((got, want), size)) in got.iter().zip(want).zip(sizes).enumerate() {
        let (got, allowed) = (f64::from(*got), bound(want.abs(), *size));
        assert!(
            abs_diff_eq!(got, *want, epsilon = allowed),
            "{what} at {at}: {got} for {want}, off by {:.1e} of {allowed:.1e}",
            (got - want).abs()
        );
    }
}

/// Compares all that a device makes with the definition; `written` is the bound of y and dx, `kept` that of dw and db,
/// which are floats always, each for sums of so many terms.
fn check(
    what: &str,
    conv: &Conv2d,
    data: &Data,
    got: &Results,
    written: impl Fn(usize) -> Box<Bound>,
    kept: impl Fn(usize) -> Box<Bound>,
) {
    let [x, w, b, dy, dx] = [&data.x, &data.w, &data.b, &data.dy, &data.dx].map(|values| wide(values));
    let [ax, aw, ab, ady, adx] = [&x, &w, &b, &dy, &dx].map(|values| sizes(values));
    let none = vec![0.0; conv.out_channels];
    let patch = conv.kernel * conv.kernel * conv.in_channels;
    let pixels = conv.output_len() / conv.out_channels;

    let y = oracle_y(conv, &x, &w, &b);
    let y_sizes = oracle_y(conv, &ax, &aw, &ab);
    compare(&format!("{what}: y"), &got.y, &y, &y_sizes, &written(patch + 1));
    let positive: Vec<f64> = y.iter().map(|v| v.max(0.0)).collect();
    compare(&format!("{what}: y, ReLU"), &got.positive, &positive, &y_sizes, &written(patch + 1));
    let plain = oracle_y(conv, &x, &w, &none);
    compare(&format!("{what}: y, no bias"), &got.without_bias, &plain, &y_sizes, &written(patch));

    let mut want = oracle_dx(conv, &dy, &w);
    let mut want_sizes = oracle_dx(conv, &ady, &aw);
    let terms = conv.kernel * conv.kernel * conv.out_channels;
    compare(&format!("{what}: dx"), &got.dx, &want, &want_sizes, &written(terms));
    want.iter_mut().zip(&dx).for_each(|(sum, v)| *sum += v);
    want_sizes.iter_mut().zip(&adx).for_each(|(sum, v)| *sum += v);
    compare(&format!("{what}: dx, added"), &got.added, &want, &want_sizes, &written(terms + 1));

    let (dw, dw_sizes) = (oracle_dw(conv, &dy, &x), oracle_dw(conv, &ady, &ax));
    compare(&format!("{what}: dw"), &got.dw, &dw, &dw_sizes, &kept(pixels));
    compare(&format!("{what}: db"), &got.db, &oracle_db(conv, &dy), &oracle_db(conv, &ady), &kept(pixels));
}

/// Each value to 1e-5 of the sum of its products' sizes.
fn of_products(_: usize) -> Box<Bound> {
    Box::new(|_, sum| 1e-5 * sum)
}

/// Sums of n terms of bfloat16 in floats: a product of two numbers of 8 bits has 16 and is exact in a float. Each of
/// the sum's additions is off by at most u of the partial sum, which is at most the sum of the terms' sizes; tensor
/// cores may truncate, so that u is 2^-23 and not half of that. A split adds one addition, of which there are at most 8
/// on the emulated device and at most 264 on a GPU, so that n u grows to (n + 264) u; higher powers of u vanish in the
/// last 1 %.
fn in_floats(terms: usize) -> Box<Bound> {
    Box::new(move |_, sum| 1.01 * (terms + 264) as f64 * 2f64.powi(-23) * sum)
}

/// The same, then rounded to bfloat16, whose 8 bits are 2^-7 apart at 1: to nearest, hence off by at most 2^-8 of what
/// is rounded.
fn rounded_once(terms: usize) -> Box<Bound> {
    let sums = in_floats(terms);
    Box::new(move |size, sum| sums(size, sum) + 2f64.powi(-8) * (size + sums(size, sum)))
}

#[test]
fn every_device_agrees_with_the_definition() {
    for (at, shape) in SHAPES.into_iter().enumerate() {
        let conv = conv_of(shape);
        let data = Data::new(&conv, at as u64);
        for device in devices() {
            // Unaligned operands take other kernels.
            for offset in [0, 1] {
                let got = run(&device, &conv, Precision::F32, &data, offset);
                let what = format!("{} {shape:?} from {offset}", device.name());
                check(&what, &conv, &data, &got, of_products, of_products);
            }
        }
    }
}

#[test]
fn bf16_is_as_exact_as_its_format() {
    for (at, shape) in SHAPES.into_iter().enumerate() {
        let conv = conv_of(shape);
        let data = Data::new(&conv, 100 + at as u64).rounded(Precision::Bf16);
        for device in devices().into_iter().filter(|device| !device.is_cpu()) {
            for offset in [0, 1] {
                let got = run(&device, &conv, Precision::Bf16, &data, offset);
                let what = format!("{} bf16 {shape:?} from {offset}", device.name());
                check(&what, &conv, &data, &got, rounded_once, in_floats);
            }
        }
    }
}

#[test]
fn orders_of_threads_make_no_difference() {
    if !cfg!(feature = "emulator") {
        return;
    }
    // Split sums, in tiles of both sizes.
    for shape in [([1, 5, 5, 64], 64, 3, 1, 1), ([2, 1, 1, 512], 136, 1, 1, 0), ([2, 12, 9, 3], 20, 7, 2, 3)]
    {
        let conv = conv_of(shape);
        for precision in [Precision::F32, Precision::Bf16] {
            let data = Data::new(&conv, 5);
            let [one, two] = [0, 1].map(|order| {
                let device = Device::emulated(order).unwrap();
                run(&device, &conv, precision, &data, 0)
            });
            for (one, two) in [(one.y, two.y), (one.added, two.added), (one.dw, two.dw), (one.db, two.db)] {
                assert!(bits(&one).eq(bits(&two)), "{shape:?}");
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    // Patches of rows in tasks of their own, few weights for many pixels, and Winograd's algorithm.
    let shapes = [
        ([3, 24, 23, 5], 70, 3, 1, 1),
        ([1, 70, 65, 3], 9, 3, 2, 1),
        ([1, 65, 66, 4], 8, 1, 1, 0),
        ([2, 24, 23, 64], 128, 3, 1, 1),
    ];
    for shape in shapes {
        let conv = conv_of(shape);
        let data = Data::new(&conv, 6);
        let [one, three] = [1, 3].map(|threads| {
            crate::support::on_threads(threads, || run(&Device::cpu(), &conv, Precision::F32, &data, 0))
        });
        for (one, three) in
            [(one.y, three.y), (one.added, three.added), (one.dw, three.dw), (one.db, three.db)]
        {
            assert!(bits(&one).eq(bits(&three)), "{shape:?}");
        }
    }
}

/// More pixels than a block of the CPU's has, images of several blocks and bands of rows, and weights so few that their
/// gradient is summed in slices.
#[test]
fn the_cpu_does_many_blocks() {
    for shape in [
        ([2, 33, 41, 3], 5, 3, 1, 1),
        ([1, 45, 30, 6], 70, 1, 1, 0),
        ([1, 67, 50, 2], 9, 3, 2, 1),
        ([1, 131, 133, 3], 6, 7, 2, 3),
        ([1, 70, 62, 3], 5, 3, 1, 1),
        ([3, 60, 70, 6], 70, 1, 1, 0),
        ([1, 40, 37, 130], 3, 3, 3, 1),
    ] {
        let conv = conv_of(shape);
        let data = Data::new(&conv, 7);
        let got = run(&Device::cpu(), &conv, Precision::F32, &data, 0);
        check(&format!("{shape:?}"), &conv, &data, &got, of_products, of_products);
    }
}

/// Values far from 0 beside their spread: Winograd's differences of them must not lose what the definition keeps.
#[test]
fn large_offsets_are_as_exact() {
    for shape in [([3, 14, 13, 64], 64, 3, 1, 1), ([2, 9, 8, 20], 65, 3, 2, 1)] {
        let conv = conv_of(shape);
        let mut data = Data::new(&conv, 11);
        data.x.iter_mut().for_each(|v| *v += 1000.0);
        data.dy.iter_mut().for_each(|v| *v -= 300.0);
        for device in devices() {
            let got = run(&device, &conv, Precision::F32, &data, 0);
            check(&format!("{} {shape:?}", device.name()), &conv, &data, &got, of_products, of_products);
        }
    }
}

/// More tiles than a chunk of Winograd's gradient of the weights has, too many for the definition: the gradients of two
/// images, which are of one chunk each, add up to those of both.
#[test]
fn the_weights_gradient_adds_up_over_chunks() {
    let conv_of_batch = |batch| conv_of(([batch, 96, 96, 64], 64, 3, 1, 1));
    let data = Data::new(&conv_of_batch(2), 12);
    let dw = |part: std::ops::Range<usize>| {
        let conv = conv_of_batch(part.len());
        let (x, dy) = (conv.input_len() / part.len(), conv.output_len() / part.len());
        let mut layout = Layout::new(Precision::F32);
        let slots = [conv.input_len(), conv.output_len(), conv.weight_len()].map(|len| layout.values(len));
        let work = layout.f32(conv.workspace_len(&Device::cpu(), Precision::F32));
        let mut arena = layout.build(&Device::cpu()).unwrap();
        arena.write(slots[0], &data.x[part.start * x..part.end * x]).unwrap();
        arena.write(slots[1], &data.dy[part.start * dy..part.end * dy]).unwrap();
        conv2d::backward_weight(&mut arena, &conv, slots[0], slots[1], slots[2], Slot::NONE, work).unwrap();
        wide(&arena.to_vec(slots[2]).unwrap())
    };
    let (both, first, second) = (dw(0..2), dw(0..1), dw(1..2));
    let norm = both.iter().map(|v| v * v).sum::<f64>().sqrt();
    let error: f64 = both.iter().zip(first.iter().zip(&second)).map(|(b, (f, s))| (b - f - s).powi(2)).sum();
    assert!(error.sqrt() <= 1e-5 * norm, "off by {:.1e} of the norm", error.sqrt() / norm);
}

/// Where Winograd's algorithm mixes pixels of a tile, what is not finite must reach at least what it reaches by the
/// definition.
#[test]
fn nothing_hides_what_is_not_finite() {
    let conv = conv_of(([3, 14, 14, 64], 64, 3, 1, 1));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut data = Data::new(&conv, 13);
        let (x, dy) = (conv.input_len() / 2 + 5, conv.output_len() / 3);
        (data.x[x], data.dy[dy]) = (bad, bad);
        let got = run(&Device::cpu(), &conv, Precision::F32, &data, 0);
        products(&conv, |xi, wi, yi| {
            assert!(xi != x || !got.y[yi].is_finite() && !got.dw[wi].is_finite());
            assert!(yi != dy || !got.dx[xi].is_finite() && !got.dw[wi].is_finite());
        });
    }
}

#[test]
fn the_oracles_gradients_are_differences() {
    for shape in [([2, 5, 4, 2], 3, 3, 2, 1), ([1, 6, 5, 3], 2, 2, 1, 1), ([1, 3, 7, 2], 2, 1, 3, 0)] {
        let conv = conv_of(shape);
        let data = Data::new(&conv, 8);
        let [x, w, b, dy] = [&data.x, &data.w, &data.b, &data.dy].map(|values| wide(values));
        let loss = |x: &[f64], w: &[f64], b: &[f64]| -> f64 {
            oracle_y(&conv, x, w, b).iter().zip(&dy).map(|(y, dy)| y * dy).sum()
        };
        // The loss is linear in each operand: central differences are exact but for rounding.
        let step = 0.25;
        let differences = |values: &[f64], loss: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
            let moved = |at: usize, by: f64| {
                let mut values = values.to_vec();
                values[at] += by;
                loss(&values)
            };
            (0..values.len()).map(|at| (moved(at, step) - moved(at, -step)) / (2.0 * step)).collect()
        };
        for (name, gradient, differences) in [
            ("dx", oracle_dx(&conv, &dy, &w), differences(&x, &|x| loss(x, &w, &b))),
            ("dw", oracle_dw(&conv, &dy, &x), differences(&w, &|w| loss(&x, w, &b))),
            ("db", oracle_db(&conv, &dy), differences(&b, &|b| loss(&x, &w, b))),
        ] {
            for (at, (one, other)) in gradient.iter().zip(&differences).enumerate() {
                assert!(
                    abs_diff_eq!(one, other, epsilon = 1e-11),
                    "{shape:?} {name} at {at}: {one} and {other}"
                );
            }
        }
    }
}

#[test]
fn nan_stays_nan_through_relu() {
    for shape in [([1, 3, 3, 8], 8, 3, 1, 1), ([1, 3, 3, 3], 5, 3, 1, 1), ([2, 1, 1, 512], 136, 1, 1, 0)] {
        let conv = conv_of(shape);
        let mut data = Data::new(&conv, 9);
        data.x[0] = f32::NAN;
        let mut reached = vec![false; conv.output_len()];
        products(&conv, |x, _, y| reached[y] |= x == 0);
        for device in devices() {
            let got = run(&device, &conv, Precision::F32, &data, 0);
            for (at, (v, reached)) in got.positive.iter().zip(&reached).enumerate() {
                assert_eq!(v.is_nan(), *reached, "{} {shape:?} at {at}", device.name());
                assert!(v.is_nan() || *v >= 0.0);
            }
        }
    }
}

#[test]
fn every_device_agrees_with_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/conv2d.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |name: String| -> (Vec<usize>, Vec<f32>) {
        let tensor = file.tensor(&name).unwrap();
        let values = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        (tensor.shape().to_vec(), values.collect())
    };
    let cases = file.names().iter().filter(|name| name.starts_with("x_")).count();
    assert_eq!(cases, 7);
    for case in 0..cases {
        let read = |name: &str| tensor(format!("{name}_{case}"));
        let (images, x) = read("x");
        let (filters, w) = read("w");
        let (_, how) = read("how");
        let conv =
            Conv2d::new(images.try_into().unwrap(), filters[0], filters[1], how[0] as usize, how[1] as usize)
                .unwrap();
        let (y_shape, y) = read("y");
        assert_eq!(y_shape, conv.output_shape());
        let data = Data { dx: vec![0.0; x.len()], x, w, b: read("b").1, dy: read("dy").1 };
        for device in devices() {
            let got = run(&device, &conv, Precision::F32, &data, 0);
            for (what, got, want) in [
                ("y", &got.y, &y),
                ("dx", &got.dx, &read("dx").1),
                ("added", &got.added, &read("dx").1),
                ("dw", &got.dw, &read("dw").1),
                ("db", &got.db, &read("db").1),
            ] {
                // Relative to the tensor's norm.
                let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
                let mut apart = got.iter().zip(want).map(|(got, want)| f64::from(*got) - f64::from(*want));
                let (error, size) = (norm(&mut apart), norm(&mut want.iter().map(|v| f64::from(*v))));
                assert_eq!(got.len(), want.len());
                assert!(error <= 1e-5 * size, "{} case {case}: {what} is off by {error:e}", device.name());
            }
        }
    }
}

fn says<T>(result: Result<T, Error>, words: &[&str]) {
    let message = match result {
        Err(error @ Error::Argument(_)) => error.to_string(),
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("no error, where there should be one of {words:?}"),
    };
    for word in words {
        assert!(message.contains(word), "{message:?} does not say {word:?}");
    }
}

#[test]
fn shapes_that_make_no_sense_are_refused() {
    says(Conv2d::new([1, 0, 3, 4], 5, 3, 1, 1), &["1 x 0 x 3 x 4", "none may be 0"]);
    says(Conv2d::new([1, 3, 3, 4], 0, 3, 1, 1), &["0 filters"]);
    says(Conv2d::new([1, 3, 3, 4], 5, 3, 0, 1), &["stride 0"]);
    says(Conv2d::new([1, 2, 9, 4], 5, 5, 1, 1), &["5 x 5", "2 x 9", "padding 1"]);
    says(Conv2d::new([1, 9, 9, 4], 5, 3, 1, 3), &["padding 3", "3"]);
    says(Conv2d::new([1 << 11, 1 << 10, 1 << 10, 1], 1, 1, 1, 0), &["2^31"]);
    says(Conv2d::new([usize::MAX, 2, 2, 2], 1, 1, 1, 0), &["2^31"]);
    says(Conv2d::linear(1, 1 << 16, 1 << 15), &["2^31"]);
}

#[test]
fn operands_that_do_not_fit_are_refused() {
    // x 1 x 4 x 4 x 2, w 3 x 3 x 3 x 2, y 1 x 4 x 4 x 3.
    let conv = conv_of(([1, 4, 4, 2], 3, 3, 1, 1));
    let (x_len, w_len, y_len) = (32, 54, 48);
    for device in devices() {
        let needed = conv.workspace_len(&device, Precision::F32);
        let mut layout = Layout::new(Precision::F32);
        let (x, w, b, y) = (layout.f32(x_len), layout.f32(w_len), layout.f32(3), layout.f32(y_len));
        let (other, work) = (layout.f32(w_len), layout.f32(needed.max(1)));
        let mut arena = layout.build(&device).unwrap();
        let arena = &mut arena;

        let mut forward =
            |x, w, b, y, work| conv2d::forward(arena, &conv, x, w, b, Activation::Identity, y, work);
        says(forward(x.part(0, 31), w, b, y, work), &["the images", "31", "1 x 4 x 4 x 2", "32"]);
        says(forward(x, w.part(0, 9), b, y, work), &["the weights", "9 values", "3 x 3 x 3 x 2", "54"]);
        says(forward(x, w, b.part(0, 2), y, work), &["the bias", "2 values", "3"]);
        says(forward(x, w, b, y.part(0, 47), work), &["the output", "47", "1 x 4 x 4 x 3", "48"]);
        says(forward(x, w, b, other.part(0, 48), other), &["the output", "shares memory", "the workspace"]);
        says(forward(y.part(0, x_len), w, b, y, work), &["the output", "shares memory", "the images"]);
        if needed > 0 {
            let short = work.part(0, needed - 1);
            let words = [format!("a workspace of {} values", needed - 1), format!("needs {needed}")];
            says(forward(x, w, b, y, short), &[&words[0], &words[1]]);
        }
        forward(x, w, Slot::NONE, y, work).unwrap();

        let mut input = |dy, w, dx, work| conv2d::backward_input(arena, &conv, dy, w, false, dx, work);
        says(input(y.part(0, 3), w, x, work), &["the output's gradient", "3 values", "1 x 4 x 4 x 3", "48"]);
        says(input(y, w.part(1, 53), x, work), &["the weights", "53", "54"]);
        says(input(y, w, x.part(0, 1), work), &["the images' gradient", "1 values", "32"]);
        says(input(y, w, y.part(0, x_len), work), &["the images' gradient", "shares memory"]);

        let mut weight = |x, dy, dw, db, work| conv2d::backward_weight(arena, &conv, x, dy, dw, db, work);
        says(weight(x.part(0, 2), y, other, b, work), &["the images", "2 values", "32"]);
        says(weight(x, y.part(0, 2), other, b, work), &["the output's gradient", "2 values", "48"]);
        says(weight(x, y, other.part(0, 2), b, work), &["the weights' gradient", "2 values", "54"]);
        says(weight(x, y, other, b.part(0, 1), work), &["the bias' gradient", "1 values", "3"]);
        says(weight(x, y, other, other.part(0, 3), work), &["shares memory"]);
        says(weight(x, y, other, b, other), &["shares memory", "the workspace"]);
        weight(x, y, other, b, work).unwrap();
    }
}

#[test]
fn precisions_that_do_not_fit_are_refused() {
    let conv = conv_of(([1, 4, 4, 2], 3, 3, 1, 1));
    let mut layout = Layout::new(Precision::Bf16);
    let _ = layout.values(8);
    says(layout.build(&Device::cpu()), &["bf16", "GPU"]);
    for device in devices().into_iter().filter(|device| !device.is_cpu()) {
        let mut layout = Layout::new(Precision::Bf16);
        let (x, w, y) = (layout.values(32), layout.values(54), layout.values(48));
        let (long, short) = (layout.f32(54), layout.values(54));
        let work = layout.f32(conv.workspace_len(&device, Precision::Bf16).max(1));
        let mut arena = layout.build(&device).unwrap();
        let none = Slot::NONE;
        let forward = conv2d::forward(&mut arena, &conv, x, long, none, Activation::Identity, y, work);
        says(forward, &["the images is bf16", "the weights f32"]);
        let forward =
            conv2d::forward(&mut arena, &conv, x, w, short.part(0, 3), Activation::Identity, y, work);
        says(forward, &["the bias is bf16", "f32"]);
        let weight = conv2d::backward_weight(&mut arena, &conv, x, y, short, none, work);
        says(weight, &["the weights' gradient is bf16", "f32"]);
    }
}
