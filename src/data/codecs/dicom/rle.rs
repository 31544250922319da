//! DICOM's RLE: a segment for each byte of each value of a pixel, the highest byte first.
//! A run is a byte `n` and what follows: `n + 1` bytes as they are, or one byte `1 - n` times where `n < 0`.

use super::layout::{PixelLayout, Raw};

pub(super) fn decode(packed: &[u8], layout: &PixelLayout) -> Result<Raw, String> {
    let header = packed.first_chunk::<64>().ok_or("is cut short: it ends within the RLE header")?;
    let numbers = header.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes) as usize);
    let numbers: Vec<usize> = numbers.collect();
    let (count, bytes) = (numbers[0], layout.allocated / 8);
    if count != layout.samples * bytes {
        return Err(format!("has {count} RLE segments, where {} are expected", layout.samples * bytes));
    }
    let pixels = layout.rows * layout.columns;
    let mut values = vec![0u16; pixels * layout.samples];
    for at in 0..count {
        let end = if at + 1 < count { numbers[at + 2] } else { packed.len() };
        let segment = packed.get(numbers[at + 1]..end);
        let segment = segment.ok_or_else(|| {
            format!("is cut short: its RLE segment {at} ends at byte {end} of {}", packed.len())
        })?;
        let (sample, high) = (at / bytes, bytes == 2 && at % 2 == 0);
        let mut places = values.iter_mut().skip(sample).step_by(layout.samples);
        let mut put = |byte: u8| {
            // Beyond the last pixel is the encoder's padding.
            if let Some(place) = places.next() {
                *place |= if high { u16::from(byte) << 8 } else { byte.into() };
            }
        };
        if unpack(segment, pixels, &mut put) < pixels {
            return Err(format!("is cut short: its RLE segment {at} ends before its last pixel"));
        }
    }
    Ok(match bytes {
        1 => Raw::Bytes(values.into_iter().map(|value| value as u8).collect()),
        _ => Raw::Words(values),
    })
}

/// Unpacks until there are `most` bytes, or the segment ends: how many there were.
fn unpack(segment: &[u8], most: usize, put: &mut impl FnMut(u8)) -> usize {
    let (mut at, mut done) = (0, 0);
    while done < most
        && let Some(head) = segment.get(at)
    {
        at += 1;
        match *head as i8 {
            // Says nothing.
            -128 => {}
            run @ 0.. => {
                let len = usize::from(run as u8) + 1;
                let bytes = segment.get(at..).unwrap_or_default();
                let bytes = &bytes[..len.min(bytes.len())];
                bytes.iter().for_each(|byte| put(*byte));
                (at, done) = (at + len, done + bytes.len());
            }
            run => {
                let Some(byte) = segment.get(at) else { break };
                let len = 1 - isize::from(run);
                (0..len).for_each(|_| put(*byte));
                (at, done) = (at + 1, done + len as usize);
            }
        }
    }
    done
}
