//! Reading a file, gzipped or not, without trusting what its header claims about its length.
//! Memory grows with the bytes that exist, never with those that a header claims.

use super::buffer::Bytes;
use crate::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A file being read from its beginning to its end.
pub(super) struct Stream<'a> {
    path: PathBuf,
    /// Put before every reason: which member of an archive this is.
    member: String,
    reader: Box<dyn Read + 'a>,
    /// The number of bytes not yet read, where known.
    left: Option<u64>,
    /// The bytes read.
    read: u64,
    /// The file, where its bytes are read as they are: it can be mapped.
    plain: Option<File>,
}

impl Stream<'static> {
    /// Opens a file; one that begins as gzip does is decompressed on the way.
    pub fn open(path: &Path) -> Result<Self> {
        let file = open_file(path)?;
        let len = file.metadata().map_err(|e| Error::io(path, e))?.len();
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let zipped =
            io::BufRead::fill_buf(&mut reader).map_err(|e| Error::io(path, e))?.starts_with(&[0x1f, 0x8b]);
        Ok(if zipped {
            Stream::member(path, String::new(), Box::new(MultiGzDecoder::new(reader)))
        } else {
            let plain = reader.get_ref().try_clone().map_err(|e| Error::io(path, e))?;
            let stream = Stream::member(path, String::new(), Box::new(reader));
            Stream { left: Some(len), plain: Some(plain), ..stream }
        })
    }
}

impl<'a> Stream<'a> {
    /// A member of an archive, whose true length shows only at its end.
    pub fn member(path: &Path, member: String, reader: Box<dyn Read + 'a>) -> Self {
        Stream { path: path.to_owned(), member, reader, left: None, read: 0, plain: None }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands before every reason: empty, but for a member of an archive.
    pub fn member_name(&self) -> &str {
        &self.member
    }

    /// An error about this file's content.
    pub fn wrong(&self, reason: impl std::fmt::Display) -> Error {
        Error::format(&self.path, format!("{}{reason}", self.member))
    }

    /// The next `N` bytes: a header.
    pub fn header<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let bytes = self.up_to(N)?;
        bytes
            .as_slice()
            .try_into()
            .map_err(|_| self.wrong(format!("ends after {} of the {N} bytes of {what}", bytes.len())))
    }

    /// All the bytes that are left, which must be `expected` many; `claim` says why.
    pub fn rest(&mut self, expected: usize, claim: &str) -> Result<Vec<u8>> {
        self.expect(expected, claim)?;
        let bytes = self.up_to(expected.saturating_add(1))?;
        match bytes.len() {
            len if len == expected => Ok(bytes),
            len if len < expected => {
                Err(self.wrong(format!("{claim}: {expected} bytes, but {len} follow the header")))
            }
            _ => Err(self.wrong(format!("{claim}: {expected} bytes, but more follow the header"))),
        }
    }

    /// As [`rest`](Stream::rest), but a plain file's bytes are mapped, not read.
    pub fn rest_mapped(&mut self, expected: usize, claim: &str) -> Result<Bytes> {
        self.expect(expected, claim)?;
        match self.unread() {
            Some((file, range)) => Bytes::map(file, range).map_err(|e| Error::io(&self.path, e)),
            None => self.rest(expected, claim).map(Bytes::Held),
        }
    }

    /// The file and which of its bytes are not yet read, where it is a plain one.
    pub fn unread(&self) -> Option<(&File, Range<u64>)> {
        let left = self.left?;
        self.plain.as_ref().map(|file| (file, self.read..self.read + left))
    }

    /// Refuses a file that does not have as many bytes left as its header claims, where that is known.
    fn expect(&self, expected: usize, claim: &str) -> Result<()> {
        match self.left {
            Some(left) if left != expected as u64 => {
                Err(self.wrong(format!("{claim}: {expected} bytes, but {left} follow the header")))
            }
            _ => Ok(()),
        }
    }

    /// The next `most` bytes, or fewer where the file ends first.
    pub fn up_to(&mut self, most: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Some(left) = self.left {
            bytes.reserve_exact(left.min(most as u64) as usize);
        }
        let read = self.reader.by_ref().take(most as u64).read_to_end(&mut bytes);
        self.read += bytes.len() as u64;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes.len() as u64);
        }
        match read {
            Ok(_) => Ok(bytes),
            Err(e) if is_content(&e) => Err(self.wrong(format!(
                "its compressed data is damaged or cut short: {} bytes could be read of it ({e})",
                bytes.len()
            ))),
            Err(e) => Err(Error::io(&self.path, e)),
        }
    }
}

/// Opens a file for reading; a folder, a pipe or a device is refused rather than waited for.
pub(super) fn open_file(path: &Path) -> Result<File> {
    let kind = fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if !kind.is_file() {
        let what = if kind.is_dir() { "a folder" } else { "neither a file nor a folder" };
        return Err(Error::format(path, format!("is {what}, where a file is expected")));
    }
    File::open(path).map_err(|e| Error::io(path, e))
}

/// Whether a read error is about the content, not the system.
pub(super) fn is_content(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof, Unsupported};
    matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof | Unsupported)
}

/// Two files that hold the same, one of them gzipped: the plain one is taken.
pub(super) fn prefer_plain(files: &mut Vec<PathBuf>) {
    let plain = files.clone();
    files.retain(|file| {
        file.extension().is_none_or(|ending| ending != "gz") || !plain.contains(&file.with_extension(""))
    });
}
