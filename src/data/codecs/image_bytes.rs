//! The bytes of an image file: the first ones, by which its kind is recognised, then all of them, up to a limit. And
//! the guard that keeps a panic in a decoder from ending the process.

use crate::data::stream::open_file;
use crate::{Error, Result};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// No single image is larger than this, as a file or decoded.
pub(in crate::data) const LARGEST: u64 = 1 << 30;
/// Bytes that are read at first: most JPEG files have their frame header within them.
const START: usize = 4096;

/// A file of which the first bytes have been read.
pub(in crate::data) struct ImageBytes<'a> {
    path: &'a Path,
    file: File,
    bytes: [u8; START],
    read: usize,
}

impl<'a> ImageBytes<'a> {
    /// Opens a file, which must not be empty, and reads its first bytes.
    pub fn open(path: &'a Path) -> Result<Self> {
        let mut image = ImageBytes { path, file: open_file(path)?, bytes: [0; START], read: 0 };
        while image.read < START {
            match image.file.read(&mut image.bytes[image.read..]) {
                Ok(0) => break,
                Ok(more) => image.read += more,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(path, e)),
            }
        }
        match image.read {
            0 => Err(Error::format(path, "is empty")),
            _ => Ok(image),
        }
    }

    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// The first bytes: all of a file shorter than 4 KiB.
    pub fn start(&self) -> &[u8] {
        &self.bytes[..self.read]
    }

    /// The length of the file.
    pub fn len(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|e| Error::io(self.path, e))?.len())
    }

    /// All bytes, if they are not too many to be an image.
    pub fn whole(self) -> Result<Vec<u8>> {
        let mut bytes = self.start().to_vec();
        if self.read == START {
            self.file
                .take(LARGEST + 1 - START as u64)
                .read_to_end(&mut bytes)
                .map_err(|e| Error::io(self.path, e))?;
        }
        if bytes.len() as u64 > LARGEST { Err(too_large(self.path)) } else { Ok(bytes) }
    }

    /// Writes all bytes to the start of a buffer, which may become longer; how many they are.
    pub fn fill(mut self, buffer: &mut Vec<u8>) -> Result<usize> {
        let mut filled = self.read;
        buffer.resize(buffer.len().max(1 << 16), 0);
        buffer[..filled].copy_from_slice(&self.bytes[..filled]);
        loop {
            if filled == buffer.len() {
                buffer.resize(2 * filled, 0);
            }
            match self.file.read(&mut buffer[filled..]) {
                Ok(0) => return Ok(filled),
                Ok(more) => filled += more,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(self.path, e)),
            }
            if filled as u64 > LARGEST {
                return Err(too_large(self.path));
            }
        }
    }
}

fn too_large(path: &Path) -> Error {
    Error::format(path, "is larger than 1 GiB: no image file to read here")
}

/// A file's bytes, if it is not too large to be an image.
pub(in crate::data) fn read(path: &Path) -> Result<Vec<u8>> {
    ImageBytes::open(path)?.whole()
}

/// Runs a decoder so that a panic in it fails one image, not the whole run.
pub(in crate::data) fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::format(path, "cannot be decoded: the image decoder panicked on it")))
}
