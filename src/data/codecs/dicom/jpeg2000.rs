//! JPEG 2000 (ITU-T T.800), by a translation of OpenJPEG to Rust. What its header claims is checked against the file
//! before it is decoded.

use super::layout::{PixelLayout, Raw};
use jpeg2k::{DecodeParameters, Image};
use std::collections::HashSet;

/// Most tiles of a frame: each costs memory before its data are read.
const MOST_TILES: u64 = 1 << 12;
/// About the most pixel bits that a compressed byte can hold: empty blocks take next to nothing.
const DENSEST: usize = 10_000;

pub(super) fn decode(packed: &[u8], layout: &PixelLayout) -> Result<Raw, String> {
    check(packed, layout)?;
    let strictly = DecodeParameters::new().strict(true);
    let image = Image::from_bytes_with(packed, strictly)
        .map_err(|error| format!("has JPEG 2000 data that cannot be decoded: {error}"))?;
    let components = image.components();
    let len = layout.rows * layout.columns;
    if components.len() != layout.samples || components.iter().any(|component| component.data().len() != len)
    {
        return Err("has JPEG 2000 data whose sizes are not those of their header".into());
    }
    // Colours side by side; of a signed value the bits, which the layout's are taken of.
    let values = (0..len).flat_map(|at| components.iter().map(move |component| component.data()[at]));
    Ok(match layout.allocated {
        8 => Raw::Bytes(values.map(|value| value as u8).collect()),
        _ => Raw::Words(values.map(|value| value as u16).collect()),
    })
}

/// Checks that the codestream's SIZ header has the size, channels and depth of the DICOM header.
fn check(packed: &[u8], layout: &PixelLayout) -> Result<(), String> {
    let damaged = || "has JPEG 2000 data without a whole header".to_owned();
    let start = packed.windows(4).position(|bytes| bytes == [0xff, 0x4f, 0xff, 0x51]).ok_or_else(damaged)?;
    let header = &packed[start + 4..];
    let wide = |at: usize| -> Result<u64, String> {
        let bytes = header.get(at..).and_then(|rest| rest.first_chunk()).ok_or_else(damaged)?;
        Ok(u32::from_be_bytes(*bytes).into())
    };
    let ([right, bottom, left, top], [tile_width, tile_height]) =
        ([wide(4)?, wide(8)?, wide(12)?, wide(16)?], [wide(20)?, wide(24)?]);
    let count = header.get(36..).and_then(|rest| rest.first_chunk()).ok_or_else(damaged)?;
    let count = usize::from(u16::from_be_bytes(*count));
    let (columns, rows) = (right.saturating_sub(left), bottom.saturating_sub(top));
    if (rows, columns, count) != (layout.rows as u64, layout.columns as u64, layout.samples) {
        return Err(format!(
            "says {} x {} pixels of {} values, but its JPEG 2000 data {rows} x {columns} of {count}",
            layout.rows, layout.columns, layout.samples
        ));
    }
    let parts = header.get(38..38 + 3 * count).ok_or_else(damaged)?;
    for part in parts.as_chunks::<3>().0 {
        let [depth, across, down] = *part;
        let bits = usize::from(depth & 0x7f) + 1;
        if bits > layout.allocated {
            return Err(format!("says values of {} bits, but its JPEG 2000 data {bits}", layout.allocated));
        }
        if (across, down) != (1, 1) {
            return Err("has JPEG 2000 data with subsampled colours, which are not read".into());
        }
    }
    if tile_width == 0 || tile_height == 0 {
        return Err(damaged());
    }
    let tiles = right.div_ceil(tile_width).saturating_mul(bottom.div_ceil(tile_height));
    if tiles > MOST_TILES || layout.values() / DENSEST > packed.len() {
        return Err(format!(
            "claims {rows} x {columns} pixels in {tiles} tiles: more than its {} packed bytes can hold",
            packed.len()
        ));
    }
    let there = tiles_of(&packed[start..]);
    if there as u64 != tiles {
        return Err(format!("is cut short: of the {tiles} tiles of its JPEG 2000 data {there} are there"));
    }
    Ok(())
}

/// How many tiles have data that begin in a codestream: the decoder would leave the others black.
fn tiles_of(codestream: &[u8]) -> usize {
    const START_OF_TILE: [u8; 2] = [0xff, 0x90];
    let word = |at: usize| codestream.get(at..).and_then(|rest| rest.first_chunk::<2>()).copied();
    let mut at = 2;
    // Segments of the main header, each with its length.
    while let Some(marker) = word(at).filter(|marker| *marker != START_OF_TILE) {
        let Some(length) = word(at + 2).filter(|_| marker[0] == 0xff) else { return 0 };
        at += 2 + usize::from(u16::from_be_bytes(length)).max(2);
    }
    let mut tiles = HashSet::new();
    while word(at) == Some(START_OF_TILE) {
        let Some(part) = codestream.get(at + 4..at + 10) else { break };
        tiles.insert([part[0], part[1]]);
        match u32::from_be_bytes([part[2], part[3], part[4], part[5]]) as usize {
            // The last, to the end.
            0 => break,
            length => at = at.saturating_add(length.max(12)),
        }
    }
    tiles.len()
}
