//! A cache on disk of preprocessed images, so that each is decoded and resized once. The key is a hash of the image file's
//! content and the preprocessing; entries have checksums.

use super::preprocess::{Preprocess, Scale};
use super::source::Source;
use super::stream::open_file;
use crate::{Error, Result};
use blake3::{Hash, Hasher};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// Part of every entry's name. To be raised with every change after which an image gives another row than before:
/// of decoding, colour, scaling or resizing. Entries of other versions are never read.
const VERSION: u32 = 2;
/// The magic bytes of an entry.
const MAGIC: [u8; 16] = *b"sharpdim image 1";
/// Bytes of a checksum.
const SUM: usize = blake3::OUT_LEN;
/// Where entries are written before they are renamed to where they are found.
const UNFINISHED: &str = "unfinished";
/// The extension of unfinished files.
const PART: &str = ".part";
/// The extension of entries.
const ENTRY: &str = ".row";
/// The extension of cached findings: results that are no image.
const FINDING: &str = ".finding";
/// Largest size of a finding.
const LARGEST_FINDING: u64 = 1 << 20;
/// An unfinished file older than this was left by a killed process.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder of images that were decoded before, as they came out of [`Preprocess`]: one file each.
///
/// [`Dataset::with_cache`](super::Dataset::with_cache) makes loading use it. An entry's name is a hash (BLAKE3) of all
/// that determines its pixels: the content of the image's file, the preprocessing, and this crate's version.
/// So an image that was renamed or copied is found again, and one that was changed is not. An entry holds a checksum
/// of itself; an image whose entry fails it is decoded again. Entries appear whole, by a rename: any number of processes can use a
/// cache at once, and be killed at any time. They can be read by their owner alone, as the images may be of patients.
///
/// It grows until it is [cleared](Cache::clear): 4 bytes a value where images are resized, 200 kB for 224 x 224 gray. Of
/// images that are [embedded](super::Samples::embedding) it keeps the pixels that they have, a byte each if scaled to 8 bits.
///
/// ```
/// use sharpdim::data::{Cache, Dataset, Preprocess};
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// for (class, width) in [("clear", 30), ("lesion", 40)] {
///     std::fs::create_dir_all(folder.join("images").join(class))?;
///     image::GrayImage::new(width, 20).save(folder.join("images").join(class).join("1.png"))?;
/// }
/// let cache = Cache::at(folder.join("cache"));
/// let dataset = Dataset::open(&folder.join("images"))?.with_cache(cache.clone());
/// let first = dataset.load(&Preprocess::default(), &|_finished| {})?;
/// let again = dataset.load(&Preprocess::default(), &|_finished| {})?;
/// assert_eq!((first.from_cache, again.from_cache), (0, 2));
/// assert_eq!(first.samples, again.samples);
/// assert_eq!(cache.size()?.images, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
}

/// How much is in a [`Cache`].
///
/// ```
/// use sharpdim::data::{Cache, CacheSize};
/// let folder = tempfile::tempdir()?;
/// assert_eq!(Cache::at(folder.path()).size()?, CacheSize::default());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheSize {
    /// Images: one for each and each way that it was preprocessed.
    pub images: u64,
    /// Their size on disk, in bytes.
    pub bytes: u64,
}

impl Cache {
    /// A cache in this folder, which is made when there is something to keep.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Cache { folder: folder.into() }
    }

    /// The cache of this user: in the folder that the environment variable `SHARPDIM_CACHE` names, else in
    /// `sharpdim/images` in `XDG_CACHE_HOME`, else in `.cache/sharpdim/images` in the home folder. `None` where there
    /// is no home folder either.
    ///
    /// ```
    /// use sharpdim::data::Cache;
    /// if let Some(cache) = Cache::standard() {
    ///     println!("{}", cache.folder().display());
    /// }
    /// ```
    pub fn standard() -> Option<Self> {
        let named = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        named("SHARPDIM_CACHE")
            // The XDG specification has relative paths ignored.
            .or_else(|| {
                Some(named("XDG_CACHE_HOME").filter(|path| path.is_absolute())?.join("sharpdim/images"))
            })
            .or_else(|| Some(env::home_dir()?.join(".cache/sharpdim/images")))
            .map(Cache::at)
    }

    /// The folder that it is in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many images it holds, and how many bytes they take. A cache that was never written to holds none.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be read.
    pub fn size(&self) -> Result<CacheSize> {
        let mut size = CacheSize::default();
        self.each(|entry| {
            // Another process may remove files meanwhile.
            if let Ok(about) = entry.metadata() {
                size.images += u64::from(entry.file_name().to_string_lossy().ends_with(ENTRY));
                size.bytes += about.len();
            }
            Ok(())
        })?;
        Ok(size)
    }

    /// Removes all that it holds, and nothing else that is in the folder.
    ///
    /// # Errors
    /// [`Error::Io`] where something cannot be removed.
    ///
    /// ```
    /// use sharpdim::data::Cache;
    /// let folder = tempfile::tempdir()?;
    /// std::fs::write(folder.path().join("notes.txt"), "mine")?;
    /// Cache::at(folder.path()).clear()?;
    /// assert!(folder.path().join("notes.txt").exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&self) -> Result<()> {
        self.each(|entry| match fs::remove_file(entry.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(entry.path(), error)),
            _ => Ok(()),
        })?;
        self.sweep(Duration::ZERO);
        // A folder stays where something else is in it, or a process has just put something there.
        for name in (0..=u8::MAX).map(|first| format!("{first:02x}")).chain([UNFINISHED.to_owned()]) {
            _ = fs::remove_dir(self.folder.join(name));
        }
        Ok(())
    }

    /// Every entry.
    fn each(&self, mut visit: impl FnMut(fs::DirEntry) -> Result<()>) -> Result<()> {
        for first in 0..=u8::MAX {
            let folder = self.folder.join(format!("{first:02x}"));
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(|error| Error::io(&folder, error))?,
            };
            for entry in entries {
                let entry = entry.map_err(|error| Error::io(&folder, error))?;
                if is_entry(&entry.file_name().to_string_lossy()) {
                    visit(entry)?;
                }
            }
        }
        Ok(())
    }

    /// Removes unfinished files of killed processes. Errors are ignored: such files only take space.
    fn sweep(&self, age: Duration) {
        let old = |entry: &fs::DirEntry| {
            let about = entry.metadata().ok()?;
            let since = SystemTime::now().duration_since(about.modified().ok()?).unwrap_or_default();
            Some(since >= age && entry.file_name().to_string_lossy().ends_with(PART))
        };
        let unfinished = fs::read_dir(self.folder.join(UNFINISHED)).into_iter().flatten().flatten();
        for entry in unfinished.filter(|entry| old(entry) == Some(true)) {
            _ = fs::remove_file(entry.path());
        }
    }

    /// Where an entry is: in one of 256 folders, as no folder should grow too large.
    fn path(&self, key: &Hash, ending: &str) -> PathBuf {
        let name = key.to_hex();
        let (first, rest) = name.split_at(2);
        self.folder.join(first).join(format!("{rest}{ending}"))
    }

    /// The result of `find` on some files, cached by their content; `what` is part of the key.
    pub(super) fn finding(
        &self,
        what: &str,
        files: &[&Path],
        find: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let key = || {
            let mut key = Hasher::new();
            key.update(what.as_bytes()).update(&VERSION.to_le_bytes());
            for file in files {
                key.update(content(file)?.as_bytes());
            }
            Some(key.finalize())
        };
        // A file that cannot be read: `find` gives the error.
        let Some(key) = key() else { return find() };
        let path = self.path(&key, FINDING);
        let mut bytes = Vec::new();
        if let Ok(file) = open_file(&path)
            && file.take(LARGEST_FINDING).read_to_end(&mut bytes).is_ok()
            && bytes.starts_with(&MAGIC)
            && let Some((content, sum)) = bytes.split_last_chunk::<SUM>()
            && content.len() >= MAGIC.len()
            && checksum(&key, &content[MAGIC.len()..]) == *sum
        {
            return Ok(content[MAGIC.len()..].to_vec());
        }
        let found = find()?;
        // Where it cannot be cached it is computed again the next time.
        _ = self.save(&path, &key, [&MAGIC[..], &found].concat());
        Ok(found)
    }

    /// Fills `row` from its entry.
    fn read<T: Value>(&self, key: &Hash, row: &mut [T]) -> Entry {
        let path = self.path(key, ENTRY);
        let Ok(file) = open_file(&path) else { return Entry::Missing };
        let len = MAGIC.len() + size_of_val(row) + SUM;
        let mut bytes = Vec::with_capacity(len);
        // One byte more is enough to see that an entry is too long.
        let read = file.take(len as u64 + 1).read_to_end(&mut bytes);
        let whole = read.is_ok() && bytes.len() == len && bytes.starts_with(&MAGIC);
        if let Some((content, sum)) = bytes.split_last_chunk::<SUM>().filter(|_| whole)
            && checksum(key, &content[MAGIC.len()..]) == *sum
        {
            T::read(&content[MAGIC.len()..], row);
            return Entry::Whole;
        }
        _ = fs::remove_file(path);
        Entry::Damaged
    }

    /// Writes an entry, which appears whole or not at all. It is not synced: after a power loss the
    /// checksum fails.
    fn write<T: Value>(&self, key: &Hash, row: &[T]) -> Result<()> {
        let mut bytes = Vec::with_capacity(MAGIC.len() + size_of_val(row) + SUM);
        bytes.extend(MAGIC);
        T::write(row, &mut bytes);
        self.save(&self.path(key, ENTRY), key, bytes)
    }

    /// Writes magic bytes, content and checksum.
    fn save(&self, path: &Path, key: &Hash, mut bytes: Vec<u8>) -> Result<()> {
        let sum = checksum(key, &bytes[MAGIC.len()..]);
        bytes.extend(sum.as_bytes());
        let unfinished = self.folder.join(UNFINISHED);
        let written = fs::create_dir_all(&unfinished)
            .and_then(|()| fs::create_dir_all(path.parent().unwrap_or(&self.folder)))
            .and_then(|()| tempfile::Builder::new().suffix(PART).tempfile_in(&unfinished))
            .and_then(|mut file| {
                file.write_all(&bytes)?;
                // Where this fails the file is removed, as where writing does.
                file.persist(path).map_err(|failed| failed.error)
            });
        written.map(drop).map_err(|error| Error::io(&self.folder, error))
    }
}

/// The result of looking up an entry.
enum Entry {
    Whole,
    Damaged,
    Missing,
}

/// Whether a file in one of the 256 folders is an entry, by its name.
fn is_entry(name: &str) -> bool {
    [ENTRY, FINDING].iter().find_map(|ending| name.strip_suffix(ending)).is_some_and(|hash| {
        hash.len() == 2 * SUM - 2 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// A checksum of a row and its entry's name: a misnamed entry fails it too.
fn checksum(key: &Hash, row: &[u8]) -> Hash {
    let mut hasher = Hasher::new();
    hasher.update(key.as_bytes()).update(row);
    hasher.finalize()
}

/// The content of a file, as a hash; `None` where it cannot be read.
fn content(path: &Path) -> Option<Hash> {
    let mut hasher = Hasher::new();
    hasher.update_reader(open_file(path).ok()?).ok()?;
    Some(hasher.finalize())
}

/// A value of a row, in a file: little-endian.
pub(super) trait Value: Copy + Default + Send + Sync {
    /// Appends a row.
    fn write(row: &[Self], bytes: &mut Vec<u8>);
    /// Fills a row from as many bytes as it has.
    fn read(bytes: &[u8], row: &mut [Self]);
}

impl Value for u8 {
    fn write(row: &[Self], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(row);
    }

    fn read(bytes: &[u8], row: &mut [Self]) {
        row.copy_from_slice(bytes);
    }
}

impl Value for f32 {
    fn write(row: &[Self], bytes: &mut Vec<u8>) {
        bytes.extend(row.iter().flat_map(|value| value.to_le_bytes()));
    }

    fn read(bytes: &[u8], row: &mut [Self]) {
        for (value, bytes) in row.iter_mut().zip(bytes.as_chunks().0) {
            *value = f32::from_le_bytes(*bytes);
        }
    }
}

/// A cache as one loading of images uses it.
pub(super) struct Rows<'a> {
    cache: &'a Cache,
    source: &'a Source,
    /// The key's part that all images share.
    settings: Hasher,
    /// The content of each file that images come from, hashed once however many images a file has.
    contents: HashMap<PathBuf, Hash>,
    found: AtomicUsize,
    damaged: AtomicUsize,
    /// Why writing stopped.
    unwritable: OnceLock<Error>,
}

impl<'a> Rows<'a> {
    /// For these images, of `[height, width, channels]` when they are done. Reads their files, in parallel.
    pub fn new(
        cache: &'a Cache,
        source: &'a Source,
        images: impl Iterator<Item = usize>,
        how: &Preprocess,
        shape: [usize; 3],
    ) -> Self {
        cache.sweep(STALE);
        let files: HashSet<PathBuf> =
            images.filter_map(|at| source.decoded_from(at)).map(|(path, _)| path).collect();
        let contents = files.into_par_iter().filter_map(|path| content(&path).map(|content| (path, content)));
        let mut settings = Hasher::new();
        // Another release may decode with another version of a library.
        settings.update(env!("CARGO_PKG_VERSION").as_bytes()).update(&VERSION.to_le_bytes());
        shape.iter().for_each(|extent| _ = settings.update(&(*extent as u64).to_le_bytes()));
        settings.update(&[u8::from(how.scale == Scale::Max), u8::from(how.antialias)]);
        Rows {
            cache,
            source,
            settings,
            contents: contents.collect(),
            found: AtomicUsize::new(0),
            damaged: AtomicUsize::new(0),
            unwritable: OnceLock::new(),
        }
    }

    /// Fills the row of an image from the cache, or else by `make`, and caches the result.
    pub fn row<T: Value>(
        &self,
        image: usize,
        row: &mut [T],
        make: impl FnOnce(&mut [T]) -> Result<()>,
    ) -> Result<()> {
        let Some((path, frame)) = self.source.decoded_from(image) else { return make(row) };
        let Some(known) = self.contents.get(&path) else { return make(row) };
        let mut key = self.settings.clone();
        key.update(known.as_bytes()).update(&frame.to_le_bytes()).update(&[size_of::<T>() as u8]);
        let key = key.finalize();
        match self.cache.read(&key, row) {
            Entry::Whole => {
                self.found.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Entry::Damaged => _ = self.damaged.fetch_add(1, Ordering::Relaxed),
            Entry::Missing => (),
        }
        make(row)?;
        // A file that was written to since it was hashed may not be what the row was made from.
        if self.unwritable.get().is_none()
            && content(&path).as_ref() == Some(known)
            && let Err(error) = self.cache.write(&key, row)
        {
            _ = self.unwritable.set(error);
        }
        Ok(())
    }

    /// How many rows came from the cache.
    pub fn found(&self) -> usize {
        self.found.load(Ordering::Relaxed)
    }

    /// Notes for the user.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let damaged = self.damaged.load(Ordering::Relaxed);
        if damaged > 0 {
            notes.push(format!(
                "{damaged} images in the cache {} were damaged, and were decoded again",
                self.cache.folder.display()
            ));
        }
        if let Some(error) = self.unwritable.get() {
            notes
                .push(format!("images were not kept for the next run: the cache cannot be written: {error}"));
        }
        notes
    }
}
