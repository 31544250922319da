//! `resize` and scaling on a GPU: tables of weights from the host, a batch of images per launch.

use super::{Extents, Pixels, Place, Taps};
use crate::Result;
use crate::device::{Buffer, Gpu, Kernel, Launch, params};
use bytemuck::NoUninit;
use std::ops::Range;

/// The most images per launch: the limit of a grid's second extent.
const MOST_IMAGES: usize = 65_535;

/// Mirrors `ResizeParams` of kernels/resize.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct ResizeParams {
    src: u64,
    dst: u64,
    row_first: u64,
    row_count: u64,
    row_weights: u64,
    col_first: u64,
    col_count: u64,
    col_weights: u64,
    h: u32,
    w: u32,
    c: u32,
    out_h: u32,
    out_w: u32,
    row_stride: u32,
    col_stride: u32,
    unused: u32,
}
params!(ResizeParams: 96 bytes, h at 64);

/// Mirrors `ScaleParams` of kernels/resize.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct ScaleParams {
    src: u64,
    dst: u64,
    bad: u64,
    values: u32,
    unused: u32,
}
params!(ScaleParams: 32 bytes, values at 24);

/// One axis' table on the device.
struct Axis {
    first: Buffer<u32>,
    count: Buffer<u32>,
    weights: Buffer<f32>,
    stride: u32,
}

impl Axis {
    fn new(gpu: &Gpu, input: usize, output: usize, antialias: bool) -> Result<Self> {
        let taps = Taps::new(input, output, antialias);
        Ok(Axis {
            first: gpu.upload(&taps.first)?,
            count: gpu.upload(&taps.count)?,
            weights: gpu.upload(&taps.weights)?,
            stride: taps.stride as u32,
        })
    }
}

pub(super) fn resize(
    gpu: &Gpu,
    pixels: Pixels<'_>,
    [h, w, c]: Extents,
    [out_h, out_w]: [usize; 2],
    antialias: bool,
) -> Result<Vec<f32>> {
    let (values, out_values) = (h * w * c, out_h * out_w * c);
    let rows = Axis::new(gpu, h, out_h, antialias)?;
    let cols = Axis::new(gpu, w, out_w, antialias)?;
    let mut out = vec![0.0; pixels.len() / values * out_values];
    for images in batches(gpu, pixels.len() / values, 4 * (values + out_values))? {
        let dst = gpu.allocate::<f32>(images.len() * out_values)?;
        let run = |kernel: Kernel, src: u64| {
            let params = ResizeParams {
                src,
                dst: dst.address(),
                row_first: rows.first.address(),
                row_count: rows.count.address(),
                row_weights: rows.weights.address(),
                col_first: cols.first.address(),
                col_count: cols.count.address(),
                col_weights: cols.weights.address(),
                h: h as u32,
                w: w as u32,
                c: c as u32,
                out_h: out_h as u32,
                out_w: out_w as u32,
                row_stride: rows.stride,
                col_stride: cols.stride,
                unused: 0,
            };
            let grid = [out_values.div_ceil(256) as u32, images.len() as u32, 1];
            // SAFETY: the source has `values` and the target `out_values` for each image; the tables name
            // no input beyond the image.
            unsafe { gpu.launch(kernel, &params, Launch { grid, threads: 256, shared_bytes: 0 })? };
            gpu.synchronise()
        };
        let within = images.start * values..images.end * values;
        match pixels {
            Pixels::U8(all) => run(Kernel::ResizeU8, gpu.upload(&all[within])?.address())?,
            Pixels::U16(all) => {
                let floats: Vec<f32> = all[within].iter().map(|v| f32::from(*v)).collect();
                run(Kernel::ResizeF32, gpu.upload(&floats)?.address())?;
            }
            Pixels::F32(all) => run(Kernel::ResizeF32, gpu.upload(&all[within])?.address())?,
        }
        gpu.read(&dst, 0, &mut out[images.start * out_values..images.end * out_values])?;
    }
    Ok(out)
}

pub(super) fn scale(gpu: &Gpu, pixels: Pixels<'_>, values: usize) -> Result<(Vec<u8>, Option<Place>)> {
    let mut out = vec![0; pixels.len()];
    let mut first = None;
    for images in batches(gpu, pixels.len() / values, 5 * values)? {
        let dst = gpu.allocate::<u8>(images.len() * values)?;
        let bad = gpu.allocate::<u32>(images.len())?;
        let run = |kernel: Kernel, src: u64| {
            let (dst, bad) = (dst.address(), bad.address());
            let params = ScaleParams { src, dst, bad, values: values as u32, unused: 0 };
            let launch = Launch { grid: [images.len() as u32, 1, 1], threads: 256, shared_bytes: 64 };
            // SAFETY: a block to each image; source and target have `values` for each, `bad` one.
            unsafe { gpu.launch(kernel, &params, launch)? };
            gpu.synchronise()
        };
        let within = images.start * values..images.end * values;
        match pixels {
            Pixels::U8(all) => run(Kernel::ScaleU8, gpu.upload(&all[within.clone()])?.address())?,
            Pixels::U16(all) => run(Kernel::ScaleU16, gpu.upload(&all[within.clone()])?.address())?,
            Pixels::F32(all) => run(Kernel::ScaleF32, gpu.upload(&all[within.clone()])?.address())?,
        }
        gpu.read(&dst, 0, &mut out[within])?;
        let bad = gpu.download(&bad)?;
        let place = bad.iter().position(|place| *place != u32::MAX);
        first = first.or(place.map(|at| (images.start + at, bad[at] as usize)));
    }
    Ok((out, first))
}

/// Ranges of images that fit the device's memory and a grid.
fn batches(gpu: &Gpu, images: usize, bytes: usize) -> Result<impl Iterator<Item = Range<usize>>> {
    let fit = (gpu.memory_for_data()? as usize / bytes).clamp(1, MOST_IMAGES);
    Ok(crate::ops::pairs::blocks(0..images, fit))
}
