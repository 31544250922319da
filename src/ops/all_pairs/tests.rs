//! Pairs within the median distance to a neighbour: counted by the pass that finds it, against `counts_within` and against
//! counting all distances.

#[cfg(gpu)]
use super::cuda;
use super::within::{Bracket, LEAST, pilot};
use super::{Readers, Wanted, Within, all_pairs, cpu};
use crate::ops::pairs::Rows;
use crate::ops::{Neighbours, counts_within};
use crate::{Device, Points, Values};
use half::{bf16, f16};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const KS: [usize; 2] = [4, 9];

/// Sums of three draws, so that samples in the middle have nearer neighbours than those outside.
fn draws(n: usize, dim: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    (0..n * dim).map(|_| (0..3).map(|_| rng.random::<f64>()).sum()).collect()
}

fn bytes(n: usize, dim: usize) -> Vec<u8> {
    draws(n, dim).into_iter().map(|v| (v * 85.0) as u8).collect()
}

fn wanted(within: &[usize]) -> Wanted<'_> {
    Wanted { k: 9, labels: None, top: 1, class_pairs: false, within }
}

fn found(points: &Points<'_>) -> Vec<Within> {
    all_pairs(&Device::cpu(), points, &wanted(&KS), &|_| ()).unwrap().within
}

/// The CPU, and where this build has one a GPU: emulated ones too.
fn devices() -> Vec<Device> {
    let gpus = [Device::emulated(0), Device::cuda(0)].into_iter().flatten();
    [Device::cpu()].into_iter().chain(gpus).collect()
}

/// What one pass with these brackets counts, and its neighbours; on a CPU of `most` pairs that are kept.
fn counted_on(
    device: &Device,
    points: &Points<'_>,
    brackets: &[Bracket],
    most: usize,
) -> (Vec<Within>, Neighbours) {
    #[cfg(gpu)]
    if let Some(gpu) = device.gpu() {
        let k = brackets.iter().map(|bracket| bracket.k).max().unwrap();
        let readers = Readers { task: None, classes: None, brackets };
        let found = cuda::all_pairs(gpu, &Rows::from(points), k, &readers, &|_| ()).unwrap().unwrap();
        return (found.within, found.neighbours);
    }
    assert!(device.is_cpu());
    counted(points, brackets, most)
}

fn counted(points: &Points<'_>, brackets: &[Bracket], most: usize) -> (Vec<Within>, Neighbours) {
    let readers = Readers { task: None, classes: None, brackets };
    let k = brackets.iter().map(|bracket| bracket.k).max().unwrap();
    let found = cpu::all_pairs(&Rows::from(points), k, &readers, most, &|_| ()).unwrap();
    (found.within, found.neighbours)
}

fn values(points: &Points<'_>) -> Vec<f64> {
    match points.values() {
        Values::U8(values) => values.iter().map(|v| f64::from(*v)).collect(),
        Values::F32(values) => values.iter().map(|v| f64::from(*v)).collect(),
        Values::F64(values) => values.to_vec(),
        Values::F16(values) => values.iter().map(|v| f64::from(*v)).collect(),
        Values::BF16(values) => values.iter().map(|v| f64::from(*v)).collect(),
    }
}

/// Fails unless the counts are those of `counts_within` on the same device, and right.
#[track_caller]
fn verify(device: &Device, points: &Points<'_>, within: &[Within]) {
    let (values, dim) = (values(points), points.dim());
    let rows: Vec<&[f64]> = values.chunks(dim).collect();
    for Within { k, squared, counts } in within {
        let again = counts_within(device, points, [*squared], &|_| ()).unwrap();
        assert!(again.iter().map(|[count]| count).eq(counts), "k = {k}");
        let mut tells = 0;
        for (i, (row, count)) in rows.iter().zip(counts).enumerate() {
            let (mut least, mut most) = (0, 0);
            for (_, other) in rows.iter().enumerate().filter(|(j, _)| *j != i) {
                let distance: f64 = row.iter().zip(*other).map(|(a, b)| (a - b) * (a - b)).sum();
                // Roundings may put a pair at the radius on either side of it; whole numbers have none.
                let slack = if distance.fract() == 0.0 && squared.fract() == 0.0 { 0.0 } else { 1e-12 };
                least += u64::from(distance < squared * (1.0 - slack));
                most += u64::from(distance < squared * (1.0 + slack));
            }
            assert!((least..=most).contains(count), "k = {k}, sample {i}: {count}, not {least}..={most}");
            tells += u64::from(least == most);
        }
        assert!(tells as usize * 2 > rows.len());
    }
}

#[track_caller]
fn one_pass_suffices(points: &Points<'_>) {
    let found = found(points);
    assert_eq!(found.iter().map(|within| within.k).collect::<Vec<_>>(), KS);
    verify(&Device::cpu(), points, &found);
}

#[test]
fn one_pass_suffices_for_samples_of_every_kind() {
    // More than a tile.
    let (n, dim) = (2100, 6);
    let wide = draws(n, dim);
    one_pass_suffices(&Points::f64(&wide, dim).unwrap());
    let floats: Vec<f32> = wide.iter().map(|v| *v as f32).collect();
    one_pass_suffices(&Points::f32(&floats, dim).unwrap());
    let halves: Vec<f16> = floats.iter().map(|v| f16::from_f32(*v)).collect();
    one_pass_suffices(&Points::f16(&halves, dim).unwrap());
    let halves: Vec<bf16> = floats.iter().map(|v| bf16::from_f32(*v)).collect();
    one_pass_suffices(&Points::bf16(&halves, dim).unwrap());
    let whole = bytes(n, dim);
    one_pass_suffices(&Points::u8(&whole, dim).unwrap());
    // On a grid of 256 steps.
    let grid: Vec<f32> = whole.iter().map(|v| f32::from(*v)).collect();
    one_pass_suffices(&Points::f32(&grid, dim).unwrap());
    // Far from the origin.
    let far: Vec<f32> = floats.iter().map(|v| 1000.0 + v).collect();
    one_pass_suffices(&Points::f32(&far, dim).unwrap());
}

#[test]
fn one_pass_suffices_for_ties_duplicates_and_clusters() {
    let n = 2100;
    // A few distances, each of many pairs; and none but 0 within the medians.
    one_pass_suffices(&Points::u8(&bytes(n, 2).iter().map(|v| v / 8).collect::<Vec<_>>(), 2).unwrap());
    one_pass_suffices(&Points::u8(&vec![7; n * 3], 3).unwrap());
    let mut twins: Vec<f32> = draws(n, 3).iter().map(|v| *v as f32).collect();
    twins.copy_within(0..3 * n / 3, 3 * n / 3);
    one_pass_suffices(&Points::f32(&twins, 3).unwrap());
    // Two sizes of clusters: half of all medians are a hundred times the others.
    let two: Vec<f32> = draws(n, 3)
        .chunks(3)
        .enumerate()
        .flat_map(|(i, row)| {
            let (size, at) = if i % 2 == 0 { (0.01, 0.0) } else { (1.0, 50.0) };
            [0, 1, 2].map(|c| (row[c] * size + at) as f32)
        })
        .collect();
    one_pass_suffices(&Points::f32(&two, 3).unwrap());
}

/// Brackets that end at the medians, hold them, or miss them by the least there is.
#[test]
fn brackets_count_up_to_their_ends() {
    for device in devices() {
        // Emulated GPUs are slow.
        let sizes =
            if device.is_cpu() { &[10, 15, 16, 17, 127, 128, 129, 257, 300][..] } else { &[17, 129, 257] };
        sizes.iter().for_each(|n| count_up_to_the_ends(&device, *n));
    }
}

fn count_up_to_the_ends(device: &Device, n: usize) {
    let (whole, wide) = (bytes(n, 3), draws(n, 3));
    let grid: Vec<f32> = whole.iter().map(|v| f32::from(*v) + 0.5).collect();
    for points in
        [Points::u8(&whole, 3).unwrap(), Points::f64(&wide, 3).unwrap(), Points::f32(&grid, 3).unwrap()]
    {
        let counted = |brackets: &[Bracket]| counted_on(device, &points, brackets, 1 << 20);
        let any = KS.map(|k| Bracket { k, low: 0.0, high: f64::INFINITY });
        let (all, neighbours) = counted(&any);
        assert_eq!(all.len(), 2);
        verify(device, &points, &all);
        let medians = KS.map(|k| neighbours.squared_median(k));
        let around = |low: &dyn Fn(f64) -> f64, high: &dyn Fn(f64) -> f64| {
            let bracket = |at: usize| Bracket { k: KS[at], low: low(medians[at]), high: high(medians[at]) };
            counted(&[0, 1].map(bracket)).0
        };
        assert_eq!(around(&|r| r, &|r| r), all, "{n}");
        assert_eq!(around(&|r| r, &|r| r + 1.0), all, "{n}");
        assert_eq!(around(&|r| r * 0.9, &|r| r), all, "{n}");
        assert_eq!(around(&|r| r * 0.5, &|r| r * 2.0), all, "{n}");
        assert_eq!(around(&f64::next_up, &|r| r * 2.0), [], "{n}");
        assert_eq!(around(&|r| r * 0.5, &f64::next_down), [], "{n}");
        // One missed: the other's count stands.
        let [inner, outer] = any;
        let high = medians[0].next_down();
        assert_eq!(counted(&[Bracket { high, ..inner }, outer]).0, all[1..], "{n}");
    }
}

/// Sums of 64 bits.
#[test]
fn long_rows_count_too() {
    let (n, dim) = (40, 33_000);
    let whole = bytes(n, dim);
    let points = Points::u8(&whole, dim).unwrap();
    let any = KS.map(|k| Bracket { k, low: 0.0, high: f64::INFINITY });
    let (all, neighbours) = counted(&points, &any, 1 << 20);
    verify(&Device::cpu(), &points, &all);
    let at = KS.map(|k| neighbours.squared_median(k)).map(|r| (r * 0.99, r * 1.01));
    let narrow = [0, 1].map(|which| Bracket { k: KS[which], low: at[which].0, high: at[which].1 });
    assert_eq!(counted(&points, &narrow, 1 << 20).0, all);
}

#[test]
fn what_cannot_be_kept_is_not_counted() {
    let whole = bytes(300, 3);
    let points = Points::u8(&whole, 3).unwrap();
    let pairs = 300 * 299 / 2;
    let any = KS.map(|k| Bracket { k, low: 0.0, high: f64::INFINITY });
    assert_eq!(counted(&points, &any, pairs).0.len(), 2);
    assert_eq!(counted(&points, &any, pairs - 1).0, []);
}

/// The samples of the pilot lie closer together than all others.
#[test]
fn a_median_that_the_pilot_misses_is_not_counted() {
    let (n, dim) = (2100, 4);
    let mut values: Vec<f32> = draws(n, dim).iter().map(|v| *v as f32).collect();
    for i in pilot(n) {
        values[i * dim..(i + 1) * dim].iter_mut().for_each(|v| *v = *v * 1e-3 + 50.0);
    }
    let points = Points::f32(&values, dim).unwrap();
    assert_eq!(found(&points), []);
    // A whole cluster of twins, and a radius of 0 that is wrong.
    let mut values = bytes(n, dim);
    pilot(n).into_iter().for_each(|i| values[i * dim..(i + 1) * dim].fill(1));
    assert_eq!(found(&Points::u8(&values, dim).unwrap()), []);
}

#[test]
fn few_samples_are_left_to_another_pass() {
    for (n, count) in [(LEAST - 1, 0), (LEAST, 2)] {
        assert_eq!(found(&Points::u8(&bytes(n, 2), 2).unwrap()).len(), count);
    }
    let pairs = bytes(20, 2);
    let points = Points::u8(&pairs, 2).unwrap();
    for k in [0, 10] {
        let refused = all_pairs(&Device::cpu(), &points, &wanted(&[4, k]), &|_| ()).unwrap_err();
        assert!(refused.to_string().starts_with(&format!("pairs within the distance to neighbour {k} of 9")));
    }
}

#[test]
fn the_pilot_is_a_sample_of_all() {
    for (n, count) in [(100, 100), (2000, 256), (64_000, 1000), (10_000_000, 4096)] {
        let rows = pilot(n);
        assert!(rows.len() == count && rows.is_sorted_by(|a, b| a < b) && rows[count - 1] < n);
        assert_eq!(rows, pilot(n));
    }
}
