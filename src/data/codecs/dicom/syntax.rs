//! Transfer syntaxes: how a DICOM file's elements are encoded, and how its pixels are compressed.
//! Those that cannot be read are listed too, so that an error can name them.

/// How a data set is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    pub uid: &'static str,
    /// Whether elements have an explicit value representation (VR).
    pub explicit: bool,
    pub big_endian: bool,
    /// Whether the data set is deflated as a whole.
    pub deflated: bool,
    pub packing: Packing,
}

/// How pixels are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Rle,
    /// JPEG of 8 bits, by the DCT.
    JpegDct,
    JpegLossless,
    Jpeg2000,
    /// In a way that is not read here.
    Unread,
}

const KNOWN: [Syntax; 11] = [
    plain("1.2.840.10008.1.2", false, false, false),
    plain("1.2.840.10008.1.2.1", true, false, false),
    plain("1.2.840.10008.1.2.1.99", true, false, true),
    plain("1.2.840.10008.1.2.2", true, true, false),
    packed("1.2.840.10008.1.2.4.50", Packing::JpegDct),
    packed("1.2.840.10008.1.2.4.51", Packing::JpegDct),
    packed("1.2.840.10008.1.2.4.57", Packing::JpegLossless),
    packed("1.2.840.10008.1.2.4.70", Packing::JpegLossless),
    packed("1.2.840.10008.1.2.4.90", Packing::Jpeg2000),
    packed("1.2.840.10008.1.2.4.91", Packing::Jpeg2000),
    packed("1.2.840.10008.1.2.5", Packing::Rle),
];

const OTHERS: [(&str, &str); 20] = [
    ("1.2.840.10008.1.2.1.98", "Encapsulated Uncompressed Explicit VR Little Endian"),
    ("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless"),
    ("1.2.840.10008.1.2.4.81", "JPEG-LS Lossy (Near-Lossless)"),
    ("1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Multi-component (Lossless Only)"),
    ("1.2.840.10008.1.2.4.93", "JPEG 2000 Part 2 Multi-component"),
    ("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile / Main Level"),
    ("1.2.840.10008.1.2.4.101", "MPEG2 Main Profile / High Level"),
    ("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1"),
    ("1.2.840.10008.1.2.4.103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1"),
    ("1.2.840.10008.1.2.4.104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video"),
    ("1.2.840.10008.1.2.4.105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video"),
    ("1.2.840.10008.1.2.4.106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2"),
    ("1.2.840.10008.1.2.4.107", "HEVC/H.265 Main Profile / Level 5.1"),
    ("1.2.840.10008.1.2.4.108", "HEVC/H.265 Main 10 Profile / Level 5.1"),
    ("1.2.840.10008.1.2.4.110", "JPEG XL Lossless"),
    ("1.2.840.10008.1.2.4.111", "JPEG XL JPEG Recompression"),
    ("1.2.840.10008.1.2.4.112", "JPEG XL"),
    ("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000 (Lossless Only)"),
    ("1.2.840.10008.1.2.4.202", "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)"),
    ("1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000"),
];

const fn plain(uid: &'static str, explicit: bool, big_endian: bool, deflated: bool) -> Syntax {
    Syntax { uid, explicit, big_endian, deflated, packing: Packing::None }
}

const fn packed(uid: &'static str, packing: Packing) -> Syntax {
    Syntax { uid, explicit: true, big_endian: false, deflated: false, packing }
}

/// The transfer syntax of a UID; an error where it is unknown.
pub(super) fn syntax_of(uid: &str) -> Result<Syntax, String> {
    if let Some(known) = KNOWN.iter().find(|known| known.uid == uid) {
        return Ok(*known);
    }
    match OTHERS.iter().find(|(other, _)| *other == uid) {
        // Elements are encoded alike in all compressed syntaxes.
        Some((other, _)) => Ok(packed(other, Packing::Unread)),
        None => Err(format!(
            "its transfer syntax, {uid:?}, is not known here: convert it, as `gdcmconv --raw` does"
        )),
    }
}

/// The error for pixels of an unsupported compression.
pub(super) fn unread(uid: &str) -> String {
    let name = OTHERS.iter().find(|(other, _)| *other == uid).map_or("", |(_, name)| name);
    format!(
        "its pixels are compressed as {name} ({uid}), which is not read here: convert it, as `gdcmconv --raw` does"
    )
}
