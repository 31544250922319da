//! The marker segments of JPEG data before its first scan, and the frame header in them.

/// The fields of a JPEG frame header.
pub struct Head {
    /// The number of the frame's marker, SOF0 .. SOF15.
    pub process: u8,
    pub precision: u8,
    pub rows: usize,
    pub columns: usize,
    pub components: usize,
    /// Whether colours are YCbCr, where an Adobe or JFIF marker says so.
    pub ybr: Option<bool>,
}

impl Head {
    pub fn parse(packed: &[u8]) -> Result<Self, String> {
        let mut ybr = None;
        for segment in Segments::new(packed)? {
            let (marker, body) = segment?;
            match (marker, body) {
                (0xe0, [b'J', b'F', b'I', b'F', 0, ..]) => ybr = ybr.or(Some(true)),
                (0xee, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..]) => {
                    ybr = Some(*transform != 0);
                }
                (0xc0..=0xcf, [precision, y1, y0, x1, x0, components, ..])
                    if ![0xc4, 0xc8, 0xcc].contains(&marker) =>
                {
                    return Ok(Head {
                        process: marker - 0xc0,
                        precision: *precision,
                        rows: u16::from_be_bytes([*y1, *y0]).into(),
                        columns: u16::from_be_bytes([*x1, *x0]).into(),
                        components: usize::from(*components),
                        ybr,
                    });
                }
                (0xda, _) => break,
                _ => {}
            }
        }
        Err("has JPEG data without a frame".into())
    }
}

/// The marker segments of JPEG data, to the first scan: marker and content.
pub struct Segments<'a> {
    bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Segments<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Self, String> {
        match bytes {
            [0xff, 0xd8, ..] => Ok(Segments { bytes, at: 2 }),
            _ => Err("has JPEG data that do not begin as JPEG does, with ff d8".into()),
        }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Result<(u8, &'a [u8]), String>;

    /// What follows `at`; after it, `at` is behind the segment.
    fn next(&mut self) -> Option<Self::Item> {
        let cut = || Some(Err("is cut short: its JPEG data end before a scan does".into()));
        // Any number of fill bytes may stand before a marker; what else stands there is stepped over, as libjpeg does.
        while let [first, second, ..] = self.bytes.get(self.at..)?
            && (*first != 0xff || [0, 0xff].contains(second))
        {
            self.at += 1;
        }
        let Some([0xff, marker, rest @ ..]) = self.bytes.get(self.at..) else { return cut() };
        // Markers alone: the end, and restarts.
        if let 0x01 | 0xd0..=0xd9 = marker {
            self.at += 2;
            return Some(Ok((*marker, &[])));
        }
        let len = rest.first_chunk().map(|len| usize::from(u16::from_be_bytes(*len)));
        match len.and_then(|len| rest.get(2..len)) {
            Some(body) => {
                self.at += 4 + body.len();
                Some(Ok((*marker, body)))
            }
            None => cut(),
        }
    }
}

/// Whether the end-of-image marker is reached from byte `at` on.
pub fn ends(bytes: &[u8], mut at: usize) -> bool {
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)) {
        at += found;
        match bytes.get(at + 1) {
            Some(0xd9) => return true,
            // Fill bytes, stuffed zeros within a scan, and markers that have no length.
            Some(0xff) => at += 1,
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 2,
            // A segment: what is in it (a thumbnail, say) is stepped over.
            Some(_) => match bytes.get(at + 2..at + 4) {
                Some(length) => at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return false,
            },
            None => return false,
        }
    }
    false
}
