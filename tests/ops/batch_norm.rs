//! `batch_norm` on every device, against a naive f64 version, and against what PyTorch gave.
//! `tests/vectors/batch_norm.py` makes the vectors.

use crate::support::tensors::{Tensors, Vectors, near, precisions, rounding, stored, wide};
use crate::support::{Random, devices, on_threads};
use approx::abs_diff_eq;
use sharpdim::ops::Activation;
use sharpdim::ops::batch_norm::{
    BatchNorm, Gradients, Statistics, Weights, backward, forward_inference, forward_training,
};
use sharpdim::{Device, Layout, Precision, Slot};

#[derive(Clone)]
struct Inputs {
    norm: BatchNorm,
    x: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    /// Empty for none.
    shortcut: Vec<f32>,
    relu: bool,
    dy: Vec<f32>,
    statistics: Statistics,
}

impl Inputs {
    fn new(rows: usize, channels: usize, random: &mut Random) -> Self {
        let len = rows * channels;
        let mut normal = |len| random.floats(len, Random::normal);
        let (x, gamma, beta, mean) = (normal(len), normal(channels), normal(channels), normal(channels));
        let (dy, variance) = (normal(len), random.floats(channels, |r| 0.5 + r.uniform()));
        Inputs {
            norm: BatchNorm::new(rows, channels).unwrap(),
            x,
            gamma,
            beta,
            mean,
            variance,
            shortcut: Vec::new(),
            relu: false,
            dy,
            statistics: Statistics::Batch,
        }
    }

    /// With images, shortcut and gradient as a precision stores them.
    fn stored(&self, precision: Precision) -> Self {
        let mut all = self.clone();
        for images in [&mut all.x, &mut all.shortcut, &mut all.dy] {
            *images = stored(images, precision);
        }
        all
    }

    fn naive(&self, y: Option<&[f32]>) -> Naive {
        let [x, gamma, beta, mean, variance, shortcut, dy] =
            [&self.x, &self.gamma, &self.beta, &self.mean, &self.variance, &self.shortcut, &self.dy]
                .map(|values| wide(values));
        let y = y.map(wide);
        naive(
            self.norm,
            [&x, &gamma, &beta, &mean, &variance, &shortcut, &dy],
            y.as_deref(),
            self.relu,
            self.statistics,
        )
    }
}

/// All outputs, as f64, and for each channel the size of what is added up to make them.
struct Naive {
    y: Vec<f64>,
    dx: Vec<f64>,
    dgamma: Vec<f64>,
    dbeta: Vec<f64>,
    dshortcut: Vec<f64>,
    mean: Vec<f64>,
    variance: Vec<f64>,
    saved: Vec<f64>,
    y_size: Vec<f64>,
    dx_size: Vec<f64>,
    dgamma_size: Vec<f64>,
    dbeta_size: Vec<f64>,
    /// What it does to dx and to dgamma that the saved mean is an f32: half an ulp of it is up to 2^-24 of its value.
    dx_by_mean: Vec<f64>,
    dgamma_by_mean: Vec<f64>,
}

/// By the definitions, channel by channel. ReLU lets dy through where `y` is above 0: a device's output, or else its own.
fn naive(
    norm: BatchNorm,
    [x, gamma, beta, mean, variance, shortcut, dy]: [&[f64]; 7],
    y: Option<&[f64]>,
    relu: bool,
    statistics: Statistics,
) -> Naive {
    let (rows, c) = (norm.rows, norm.channels);
    let zeros = |len| vec![0.0; len];
    let mut all = Naive {
        y: zeros(rows * c),
        dx: zeros(rows * c),
        dgamma: zeros(c),
        dbeta: zeros(c),
        dshortcut: zeros(rows * c),
        mean: mean.to_vec(),
        variance: variance.to_vec(),
        saved: zeros(2 * c),
        y_size: zeros(c),
        dx_size: zeros(c),
        dgamma_size: zeros(c),
        dbeta_size: zeros(c),
        dx_by_mean: zeros(c),
        dgamma_by_mean: zeros(c),
    };
    for i in 0..c {
        let places: Vec<usize> = (0..rows).map(|row| row * c + i).collect();
        let n = rows as f64;
        let over = |term: &dyn Fn(usize) -> f64| places.iter().map(|at| term(*at)).sum::<f64>();
        let most = |term: &dyn Fn(usize) -> f64| places.iter().map(|at| term(*at).abs()).fold(0.0, f64::max);
        let (centre, spread) = match statistics {
            Statistics::Batch => {
                let centre = over(&|at| x[at]) / n;
                let squares = over(&|at| (x[at] - centre).powi(2));
                let momentum = f64::from(norm.momentum);
                all.mean[i] += momentum * (centre - mean[i]);
                all.variance[i] += momentum * (squares / (n - 1.0) - variance[i]);
                (centre, squares / n)
            }
            Statistics::Running => (mean[i], variance[i]),
        };
        let scale = 1.0 / (spread + f64::from(norm.eps)).sqrt();
        (all.saved[i], all.saved[c + i]) = (centre, scale);
        let hat = |at: usize| (x[at] - centre) * scale;
        let added = |at: usize| shortcut.get(at).copied().unwrap_or(0.0);
        for at in &places {
            let v = gamma[i] * hat(*at) + beta[i] + added(*at);
            all.y[*at] = if relu && v < 0.0 { 0.0 } else { v };
        }
        all.y_size[i] = most(&|at| (gamma[i] * hat(at)).abs() + beta[i].abs() + added(at).abs());

        let y = y.unwrap_or(&all.y);
        let through = |at: usize| if !relu || y[at] > 0.0 { dy[at] } else { 0.0 };
        (all.dbeta[i], all.dbeta_size[i]) = (over(&through), over(&|at| through(at).abs()));
        all.dgamma[i] = over(&|at| through(at) * hat(at));
        all.dgamma_size[i] = over(&|at| (through(at) * hat(at)).abs());
        let factor = gamma[i] * scale;
        let (dgamma, dbeta) = match statistics {
            Statistics::Batch => (all.dgamma[i] / n, all.dbeta[i] / n),
            Statistics::Running => (0.0, 0.0),
        };
        for at in &places {
            all.dx[*at] = factor * (through(*at) - dbeta - hat(*at) * dgamma);
            all.dshortcut[*at] = through(*at);
        }
        all.dx_size[i] =
            factor.abs() * (most(&through) + all.dbeta_size[i] / n + most(&hat) * all.dgamma_size[i] / n);
        let shift = centre.abs() * scale / f64::from(1 << 24);
        all.dgamma_by_mean[i] = shift * all.dbeta_size[i];
        all.dx_by_mean[i] = factor.abs() * shift * (all.dgamma_size[i] + most(&hat) * all.dbeta_size[i]) / n;
    }
    all
}

struct Outputs {
    y: Vec<f32>,
    dx: Vec<f32>,
    dgamma: Vec<f32>,
    dbeta: Vec<f32>,
    dshortcut: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    saved: Vec<f32>,
}

impl Outputs {
    fn all(&self) -> [&[f32]; 8] {
        let Outputs { y, dx, dgamma, dbeta, dshortcut, mean, variance, saved } = self;
        [y, dx, dgamma, dbeta, dshortcut, mean, variance, saved]
    }
}

/// Forward and backward. What is written starts as NaN, the workspace too.
fn run(device: &Device, precision: Precision, aligned: bool, inputs: &Inputs) -> Outputs {
    let Inputs { norm, relu, statistics, .. } = *inputs;
    let c = norm.channels;
    let nan = |len: usize| vec![f32::NAN; len];
    let mut tensors = Tensors::new(precision, aligned);
    let [x, shortcut, dy] = [&inputs.x, &inputs.shortcut, &inputs.dy].map(|values| tensors.values(values));
    let [y, dx] = [0; 2].map(|_| tensors.values(&nan(inputs.x.len())));
    let dshortcut = tensors.values(&nan(inputs.shortcut.len()));
    let [gamma, beta, mean, variance] =
        [&inputs.gamma, &inputs.beta, &inputs.mean, &inputs.variance].map(|values| tensors.f32(values));
    let [dgamma, dbeta] = [0; 2].map(|_| tensors.f32(&nan(c)));
    let saved = tensors.f32(&nan(2 * c));
    let work = tensors.f32(&nan(norm.workspace_len(device)));
    let mut arena = tensors.build(device);
    let weights = Weights { gamma, beta, mean, variance };
    let forward = match statistics {
        Statistics::Batch => forward_training,
        Statistics::Running => forward_inference,
    };
    let activation = if relu { Activation::Relu } else { Activation::Identity };
    forward(&mut arena, &norm, x, weights, shortcut, activation, y, saved, work).unwrap();
    let values = |arena: &sharpdim::Arena, slot: Slot| arena.to_vec(slot).unwrap();
    let out = if relu { y } else { Slot::NONE };
    let into = Gradients { x: dx, gamma: dgamma, beta: dbeta, shortcut: dshortcut };
    if !work.is_empty() {
        arena.write(work, &nan(work.len())).unwrap();
    }
    backward(&mut arena, &norm, statistics, x, out, gamma, saved, dy, into, work).unwrap();
    tensors.check(&arena);
    let [y, dx, dgamma, dbeta, dshortcut, mean, variance, saved] =
        [y, dx, dgamma, dbeta, dshortcut, mean, variance, saved].map(|slot| values(&arena, slot));
    Outputs { y, dx, dgamma, dbeta, dshortcut, mean, variance, saved }
}

/// What arithmetic may cost, relative to the size of what is added up: for y and dx to the largest such of the channel,
/// for dgamma and dbeta to the sum of their terms' sizes.
const RELATIVE: f64 = 1e-5;

fn check(device: &Device, precision: Precision, aligned: bool, inputs: &Inputs, name: &str) {
    let (norm, c) = (inputs.norm, inputs.norm.channels);
    let inputs = inputs.stored(precision);
    let got = run(device, precision, aligned, &inputs);
    let want = inputs.naive(Some(&got.y));
    let what = |tensor: &str| {
        let (rows, precision) = (norm.rows, precision.name());
        format!("{tensor}, {rows} x {c} {name}, {precision} on {device}, aligned {aligned}")
    };
    // Arithmetic in f32, then the rounding of what is stored.
    let stored_near = |got: &[f32], want: &[f64], size: &dyn Fn(usize) -> f64, tensor: &str| {
        let allowed = |at: usize| {
            let arithmetic = size(at % c);
            arithmetic + rounding(want[at].abs() + arithmetic, precision)
        };
        near(got, want, allowed, &what(tensor));
    };
    stored_near(&got.y, &want.y, &|i| RELATIVE * want.y_size[i], "y");
    stored_near(&got.dx, &want.dx, &|i| RELATIVE * want.dx_size[i] + want.dx_by_mean[i], "dx");
    if !inputs.shortcut.is_empty() {
        near(&got.dshortcut, &want.dshortcut, |_| 0.0, &what("dshortcut"));
    }
    let allowed = |i: usize| RELATIVE * want.dgamma_size[i] + want.dgamma_by_mean[i];
    near(&got.dgamma, &want.dgamma, allowed, &what("dgamma"));
    near(&got.dbeta, &want.dbeta, |i| RELATIVE * want.dbeta_size[i], &what("dbeta"));
    // Less an f32's rounding, a mean is as good as the deviations that it is made of.
    let of_mean = |i: usize| {
        let sizes = want.saved[i].abs() + f64::from(inputs.mean[i]).abs() + 1.0 / want.saved[c + i];
        1e-6 * sizes
    };
    near(&got.mean, &want.mean, of_mean, &what("the running mean"));
    near(&got.variance, &want.variance, |i| RELATIVE * want.variance[i], &what("the running variance"));
    near(&got.saved[..c], &want.saved[..c], of_mean, &what("the saved mean"));
    near(&got.saved[c..], &want.saved[c..], |i| RELATIVE * want.saved[c + i], &what("the saved scale"));
}

/// Small shapes for every device: groups of channels that fill a thread or do not, one block's rows and several's.
const SHAPES: [(usize, usize); 11] =
    [(2, 1), (2, 3), (2, 65), (3, 64), (7, 200), (40, 65), (70, 64), (33, 200), (523, 1), (300, 3), (257, 8)];
/// For devices of which there is hardware.
const LARGE: [(usize, usize); 3] = [(3137, 64), (12_544, 40), (1500, 2048)];

fn shapes(device: &Device) -> Vec<(usize, usize)> {
    let large = if device.name().starts_with("emulated") { &[] } else { &LARGE[..] };
    SHAPES.iter().chain(large).copied().collect()
}

#[test]
fn every_device_normalises_and_finds_the_gradients() {
    for device in devices() {
        for (at, (rows, channels)) in shapes(&device).into_iter().enumerate() {
            let mut random = Random::new(at as u64);
            let mut inputs = Inputs::new(rows, channels, &mut random);
            let shortcut = random.floats(rows * channels, Random::normal);
            for precision in precisions(&device) {
                // Each of four in turn, and all of them for one shape.
                for kind in (0..4).filter(|kind| at == 6 || at % 4 == *kind || rows == 2) {
                    inputs.relu = kind & 1 == 1;
                    inputs.shortcut = if kind & 2 == 2 { shortcut.clone() } else { Vec::new() };
                    for statistics in [Statistics::Batch, Statistics::Running] {
                        inputs.statistics = statistics;
                        let name = format!("of {statistics:?}, kind {kind}");
                        check(&device, precision, true, &inputs, &name);
                    }
                }
            }
        }
    }
}

#[test]
fn tensors_that_start_anywhere_are_as_good() {
    for device in devices() {
        let mut random = Random::new(30);
        let mut inputs = Inputs::new(70, 64, &mut random);
        inputs.shortcut = random.floats(70 * 64, Random::normal);
        inputs.relu = true;
        for precision in precisions(&device) {
            check(&device, precision, false, &inputs, "unaligned");
        }
    }
}

#[test]
fn a_single_row_is_normalised_by_running_statistics() {
    for device in devices() {
        let mut inputs = Inputs::new(1, 9, &mut Random::new(31));
        inputs.statistics = Statistics::Running;
        for precision in precisions(&device) {
            check(&device, precision, true, &inputs, "of Running");
        }
    }
}

#[test]
fn large_offsets_cost_nothing_and_channels_may_not_vary() {
    for device in devices() {
        for (rows, channels) in [(150, 20), (600, 3)] {
            let mut random = Random::new(32);
            let inputs = Inputs::new(rows, channels, &mut random);
            for precision in precisions(&device) {
                let (mut offset, mut constant, mut first) = (inputs.clone(), inputs.clone(), inputs.clone());
                for (at, x) in offset.x.iter_mut().enumerate() {
                    *x += [1e3, -1e3, 3e4][at % channels % 3];
                }
                for (at, x) in constant.x.iter_mut().enumerate() {
                    *x = [7.3, 0.0, -1e5, *x][at % channels % 4];
                }
                // The pivot far from all others.
                first.x[..channels].iter_mut().for_each(|x| *x += 100.0);
                check(&device, precision, true, &offset, "offset");
                check(&device, precision, true, &constant, "constant");
                check(&device, precision, true, &first, "an outlier first");
                let got = run(&device, precision, true, &constant.stored(precision));
                for row in got.y.chunks(channels) {
                    let beta = stored(&inputs.beta[..3], precision);
                    assert_eq!(row[..3], beta, "no variance: beta alone, on {device}");
                }
                let steady = f64::from(inputs.variance[1]) * (1.0 - f64::from(inputs.norm.momentum));
                near(&got.variance[1..2], &[steady], |_| 1e-7, "running variance of a constant channel");
            }
        }
    }
}

#[test]
fn nan_stays_in_its_channel() {
    for device in devices() {
        let mut inputs = Inputs::new(40, 8, &mut Random::new(33));
        inputs.x[5 * 8 + 3] = f32::NAN;
        inputs.relu = true;
        for precision in precisions(&device) {
            let got = run(&device, precision, true, &inputs);
            for (at, y) in got.y.iter().enumerate() {
                assert_eq!(y.is_nan(), at % 8 == 3, "at {at} on {device}");
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_order_of_threads() {
    let mut random = Random::new(34);
    let mut inputs = Inputs::new(200, 24, &mut random);
    inputs.shortcut = random.floats(200 * 24, Random::normal);
    inputs.relu = true;
    let bits = |out: &Outputs| out.all().map(|v| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
    let mut emulated: Vec<Device> = devices();
    emulated.retain(|device| device.name().starts_with("emulated"));
    for precision in [Precision::F32, Precision::Bf16] {
        let all: Vec<_> =
            emulated.iter().map(|device| bits(&run(device, precision, true, &inputs))).collect();
        assert!(all.windows(2).all(|two| two[0] == two[1]), "{}", precision.name());
    }
    let large = Inputs::new(9000, 16, &mut random);
    let on_cpu = |threads| on_threads(threads, || bits(&run(&Device::cpu(), Precision::F32, true, &large)));
    assert_eq!(on_cpu(1), on_cpu(3));
}

#[test]
fn the_oracles_gradients_are_those_of_differences() {
    let mut random = Random::new(35);
    let (rows, c) = (5, 3);
    let norm = BatchNorm::new(rows, c).unwrap();
    let mut normal = |len: usize| -> Vec<f64> { (0..len).map(|_| random.normal()).collect() };
    let [x, shortcut, dy] = [0; 3].map(|_| normal(rows * c));
    let [gamma, beta, mean] = [0; 3].map(|_| normal(c));
    let variance = vec![0.7; c];
    let inputs = [x, gamma, beta, mean, variance, shortcut, dy];
    for statistics in [Statistics::Batch, Statistics::Running] {
        let at = |inputs: &[Vec<f64>; 7], relu| {
            naive(norm, inputs.each_ref().map(|v| &v[..]), None, relu, statistics)
        };
        let loss = |inputs: &[Vec<f64>; 7]| -> f64 {
            at(inputs, true).y.iter().zip(&inputs[6]).map(|(y, dy)| y * dy).sum()
        };
        assert!(at(&inputs, false).y.iter().all(|y| y.abs() > 1e-3), "differences across ReLU's corner");
        let found = at(&inputs, true);
        for (operand, gradient) in [(0, found.dx), (1, found.dgamma), (2, found.dbeta), (5, found.dshortcut)]
        {
            for place in 0..gradient.len() {
                let step = |by: f64| {
                    let mut moved = inputs.clone();
                    moved[operand][place] += by;
                    loss(&moved)
                };
                let difference = (step(1e-5) - step(-1e-5)) / 2e-5;
                assert!(
                    abs_diff_eq!(difference, gradient[place], epsilon = 1e-7),
                    "operand {operand} at {place}, {statistics:?}: {difference} for {}",
                    gradient[place]
                );
            }
        }
    }
}

#[test]
fn equals_pytorch() {
    let vectors = Vectors::open("batch_norm");
    let mut cases = 0;
    while let Some(case) = vectors.integers(&format!("{cases}.case")) {
        let array = |name: &str| vectors.floats(&format!("{cases}.{name}")).unwrap_or_default();
        let statistics = if case[3] == 1 { Statistics::Batch } else { Statistics::Running };
        let inputs = Inputs {
            norm: BatchNorm::new(case[0], case[1]).unwrap(),
            x: array("x"),
            gamma: array("gamma"),
            beta: array("beta"),
            mean: array("mean"),
            variance: array("variance"),
            shortcut: array("shortcut"),
            relu: case[2] == 1,
            dy: array("dy"),
            statistics,
        };
        let scales = inputs.naive(None);
        for device in devices() {
            let got = run(&device, Precision::F32, true, &inputs);
            let c = case[1];
            let near = |got: &[f32], name: &str, allowed: &dyn Fn(usize) -> f64| {
                near(got, &wide(&array(name)), allowed, &format!("{name} of case {cases} on {device}"));
            };
            near(&got.y, "y", &|at| RELATIVE * scales.y_size[at % c]);
            near(&got.dx, "dx", &|at| RELATIVE * scales.dx_size[at % c] + scales.dx_by_mean[at % c]);
            near(&got.dgamma, "dgamma", &|i| RELATIVE * scales.dgamma_size[i] + scales.dgamma_by_mean[i]);
            near(&got.dbeta, "dbeta", &|i| RELATIVE * scales.dbeta_size[i]);
            near(&got.dshortcut, "dshortcut", &|_| 0.0);
            near(&got.mean, "moved_mean", &|i| RELATIVE * (scales.saved[i].abs() + 1.0));
            near(&got.variance, "moved_variance", &|i| RELATIVE * scales.variance[i]);
        }
        cases += 1;
    }
    assert_eq!(cases, 7);
}

#[test]
fn bad_operands_are_named() {
    for (rows, channels) in [(0, 3), (3, 0), (1 << 20, 1 << 11), (usize::MAX, 2)] {
        let error = BatchNorm::new(rows, channels).unwrap_err().to_string();
        assert!(error.contains(&format!("{rows} pixels of {channels} channels")), "{error}");
    }
    for device in devices() {
        let norm = BatchNorm::new(4, 3).unwrap();
        let mut layout = Layout::new(Precision::F32);
        let [x, y, dy, dx, short] = [12, 12, 12, 12, 11].map(|len| layout.values(len));
        let [gamma, beta, mean, variance, saved] = [3, 3, 3, 3, 6].map(|len| layout.f32(len));
        let work = layout.f32(norm.workspace_len(&device).max(1));
        let mut arena = layout.build(&device).unwrap();
        let weights = Weights { gamma, beta, mean, variance };
        let mut forward = |norm: &BatchNorm, x, weights, shortcut, y, saved, work, wanted: &str| {
            for forward in [forward_training, forward_inference] {
                let result =
                    forward(&mut arena, norm, x, weights, shortcut, Activation::Relu, y, saved, work);
                let error = result.unwrap_err().to_string();
                assert!(error.contains(wanted), "{error}: wanted {wanted}");
            }
        };
        let none = Slot::NONE;
        let images = "the images has 11 values, its shape 4 x 3 needs 12";
        forward(&norm, short, weights, none, y, saved, work, images);
        forward(&norm, x, weights, short, y, saved, work, "the shortcut has 11 values");
        forward(&norm, x, weights, none, short, saved, work, "the output has 11 values");
        forward(
            &norm,
            x,
            weights,
            none,
            y,
            gamma,
            work,
            "the saved statistics has 3 values, its shape 2 x 3 needs 6",
        );
        let wrong = Weights { mean: saved, ..weights };
        forward(&norm, x, wrong, none, y, saved, work, "the running mean has 6 values, its shape 3 needs 3");
        forward(
            &norm,
            x,
            weights,
            none,
            x,
            saved,
            work,
            "the output is written, and shares memory with the images",
        );
        let shared = Weights { mean: gamma, ..weights };
        forward(
            &norm,
            x,
            shared,
            none,
            y,
            saved,
            work,
            "the running mean is written, and shares memory with gamma",
        );
        if norm.workspace_len(&device) > 0 {
            forward(&norm, x, weights, none, y, saved, work.part(1, work.len() - 1), "this shape needs");
        }
        let one = BatchNorm::new(1, 3).unwrap();
        let row = x.part(0, 3);
        let result = forward_training(
            &mut arena,
            &one,
            row,
            weights,
            none,
            Activation::Identity,
            y.part(0, 3),
            saved,
            work,
        );
        assert!(result.unwrap_err().to_string().contains("one pixel of 3 channels has no variance"));

        let mut backward = |x, y, dy, into: Gradients, wanted: &str| {
            let result = backward(&mut arena, &norm, Statistics::Batch, x, y, gamma, saved, dy, into, work);
            let error = result.unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}: wanted {wanted}");
        };
        let into = Gradients { x: dx, gamma: mean, beta: variance, shortcut: none };
        backward(x, short, dy, into, "the output has 11 values");
        backward(x, y, short, into, "the output's gradient has 11 values");
        backward(x, y, dy, Gradients { x: short, ..into }, "the images' gradient has 11 values");
        backward(x, y, dy, Gradients { shortcut: short, ..into }, "the shortcut's gradient has 11 values");
        backward(x, y, dy, Gradients { beta: saved, ..into }, "beta's gradient has 6 values");
        backward(x, y, dy, Gradients { x: dy, ..into }, "shares memory with the output's gradient");
        backward(x, y, dy, Gradients { shortcut: dx, ..into }, "shares memory with the shortcut's gradient");
    }
}
