//! Fetching datasets that their publishers let anyone fetch, or any files whose length and checksum are known.
//! What was fetched stays when a connection or a process is lost; what arrives is checked before it has its name.

use super::stream::is_content;
use crate::{Error, Result};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path};
use std::thread;
use std::time::Duration;
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::http::header::{CONTENT_RANGE, RANGE};

/// The longest wait before a server is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A dataset as its publisher gives it away: files of known length and checksum, and where they are.
///
/// Those of the three datasets here are the publishers' files; any other can be described in the same way.
///
/// ```
/// use sharpdim::data::download::{Archive, RemoteFile};
/// let mnist = Archive::mnist();
/// assert_eq!(mnist.files.len(), 4);
/// let mine = Archive {
///     name: "scans".into(),
///     mirrors: vec!["https://data.example.org/scans/".into()],
///     files: vec![RemoteFile {
///         name: "images.npy".into(),
///         bytes: 8_000_128,
///         sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
///         members: Vec::new(),
///     }],
/// };
/// assert_eq!(mine.variable(), "SHARPDIM_MIRROR_SCANS");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// What it is called.
    pub name: String,
    /// The addresses of folders that hold its files, the first to be asked first.
    pub mirrors: Vec<String>,
    /// Its files.
    pub files: Vec<RemoteFile>,
}

/// A file of an [`Archive`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name, at each mirror and where it is put.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Of a `.tar.gz`: the files in it that are unpacked beside it, by their paths in there.
    pub members: Vec<String>,
}

impl RemoteFile {
    fn new(name: &str, bytes: u64, sha256: &str) -> Self {
        RemoteFile { name: name.into(), bytes, sha256: sha256.into(), members: Vec::new() }
    }
}

impl Archive {
    /// MNIST: four gzipped IDX files, 11.6 MB.
    pub fn mnist() -> Self {
        Archive {
            name: "mnist".into(),
            mirrors: vec![
                "https://ossci-datasets.s3.amazonaws.com/mnist/".into(),
                "https://storage.googleapis.com/cvdf-datasets/mnist/".into(),
            ],
            files: vec![
                RemoteFile::new(
                    "train-images-idx3-ubyte.gz",
                    9_912_422,
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                ),
                RemoteFile::new(
                    "train-labels-idx1-ubyte.gz",
                    28_881,
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                ),
                RemoteFile::new(
                    "t10k-images-idx3-ubyte.gz",
                    1_648_877,
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                ),
                RemoteFile::new(
                    "t10k-labels-idx1-ubyte.gz",
                    4_542,
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                ),
            ],
        }
    }

    /// CIFAR-10, the binary version: 170 MB, which are unpacked to as many again.
    pub fn cifar10() -> Self {
        let members = (1..=5).map(|batch| format!("data_batch_{batch}.bin"));
        let members = members.chain(["test_batch.bin".to_owned(), "batches.meta.txt".to_owned()]);
        let file = RemoteFile::new(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        );
        let members = members.map(|name| format!("cifar-10-batches-bin/{name}")).collect();
        Archive {
            name: "cifar10".into(),
            mirrors: vec!["https://www.cs.toronto.edu/~kriz/".into()],
            files: vec![RemoteFile { members, ..file }],
        }
    }

    /// SVHN, the cropped digits: two MATLAB files, 246 MB.
    pub fn svhn() -> Self {
        Archive {
            name: "svhn".into(),
            mirrors: vec!["http://ufldl.stanford.edu/housenumbers/".into()],
            files: vec![
                RemoteFile::new(
                    "train_32x32.mat",
                    182_040_794,
                    "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
                ),
                RemoteFile::new(
                    "test_32x32.mat",
                    64_275_384,
                    "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
                ),
            ],
        }
    }

    /// All three.
    ///
    /// ```
    /// use sharpdim::data::download::Archive;
    /// assert_eq!(Archive::all().map(|archive| archive.name), ["mnist", "cifar10", "svhn"]);
    /// ```
    pub fn all() -> [Self; 3] {
        [Archive::mnist(), Archive::cifar10(), Archive::svhn()]
    }

    /// The environment variable in which mirrors can be named, with spaces between them: they are asked before
    /// the archive's own, and after those of [`FetchOptions::mirrors`].
    pub fn variable(&self) -> String {
        let upper =
            |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
        format!("SHARPDIM_MIRROR_{}", self.name.chars().map(upper).collect::<String>())
    }

    /// Refuses what would be no file in the folder, or can never be right.
    fn check(&self) -> Result<()> {
        for file in &self.files {
            let mut parts = Path::new(&file.name).components();
            if !matches!((parts.next(), parts.next()), (Some(Component::Normal(name)), None) if name == file.name.as_str())
            {
                return Err(Error::Argument(format!(
                    "{}: {:?} is not the name of a file: no folders can be in it",
                    self.name, file.name
                )));
            }
            if file.sha256.len() != 64 || !file.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(Error::Argument(format!(
                    "{}: {:?} is no SHA-256, which is 64 hexadecimal digits",
                    file.name, file.sha256
                )));
            }
        }
        Ok(())
    }
}

/// How to fetch.
///
/// ```
/// use sharpdim::data::download::FetchOptions;
/// let options = FetchOptions { mirrors: vec!["http://mirror.lan/mnist".into()], ..FetchOptions::default() };
/// assert_eq!(options.retries, 5);
/// ```
#[derive(Clone)]
pub struct FetchOptions<'a> {
    /// Addresses of folders that are asked before all others.
    pub mirrors: Vec<String>,
    /// How often a mirror is asked again after a lost connection or a busy server, before the next one is; counted
    /// anew whenever more of the file has arrived.
    pub retries: u32,
    /// How long to wait before that is done first; twice as long each time after, up to a minute.
    pub wait: Duration,
    /// How long nothing may arrive until a connection counts as lost.
    pub silence: Duration,
    /// Called with what has arrived.
    pub progress: &'a (dyn Fn(DownloadProgress<'_>) + Sync),
}

impl Default for FetchOptions<'_> {
    fn default() -> Self {
        let (wait, silence) = (Duration::from_secs(1), Duration::from_secs(30));
        FetchOptions { mirrors: Vec::new(), retries: 5, wait, silence, progress: &|_| {} }
    }
}

/// How much of a file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadProgress<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Its bytes that have arrived, those of earlier runs included.
    pub done: u64,
    /// All its bytes.
    pub total: u64,
}

/// Brings an archive's files into a folder, which is made; then [`Dataset::open`](super::Dataset::open) reads it.
///
/// A file that is there already is checked, and not fetched again. One that is on its way is called `<name>.part`; a
/// later call goes on where it ends, from whichever mirror answers. Every file is checked by length and SHA-256
/// before it gets its name. Members of a `.tar.gz` are unpacked beside it.
///
/// Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY` and so on).
///
/// ```no_run
/// use sharpdim::data::Dataset;
/// use sharpdim::data::download::{Archive, FetchOptions, fetch};
/// let show = |now: sharpdim::data::download::DownloadProgress| println!("{}: {} of {}", now.file, now.done, now.total);
/// fetch(&Archive::mnist(), "mnist".as_ref(), &FetchOptions { progress: &show, ..FetchOptions::default() })?;
/// assert_eq!(Dataset::open("mnist".as_ref())?.len(), 60_000);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// [`Error::Download`] where no mirror has the file, with what each said; [`Error::Format`] where a file is there that
/// is not the archive's, or a `.tar.gz` is not as it should be; [`Error::Io`] where something cannot be written;
/// [`Error::Argument`] for an archive whose names or checksums are none.
pub fn fetch(archive: &Archive, folder: &Path, options: &FetchOptions<'_>) -> Result<()> {
    archive.check()?;
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let variable = archive.variable();
    let named = env::var(&variable).unwrap_or_default();
    let named = named.split_whitespace().map(str::to_owned);
    let mirrors: Vec<String> =
        options.mirrors.iter().cloned().chain(named).chain(archive.mirrors.iter().cloned()).collect();
    let agent = Agent::new_with_config(
        Agent::config_builder()
            // Answers are looked at here.
            .http_status_as_error(false)
            .timeout_connect(Some(options.silence))
            .timeout_recv_response(Some(options.silence))
            .timeout_per_read(Some(options.silence))
            .user_agent(concat!("sharpdim/", env!("CARGO_PKG_VERSION")))
            .build(),
    );
    for file in &archive.files {
        let path = folder.join(&file.name);
        if !is_there(file, &path)? {
            Fetch { agent: &agent, mirrors: &mirrors, file, path: &path, options, variable: &variable }
                .run()?;
        }
        (options.progress)(DownloadProgress { file: &file.name, done: file.bytes, total: file.bytes });
        if !file.members.is_empty() {
            unpack(&path, &file.members, folder)?;
        }
    }
    Ok(())
}

/// Whether the expected file exists; an error where another file has its name.
fn is_there(file: &RemoteFile, path: &Path) -> Result<bool> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        found => found.map_err(|e| Error::io(path, e))?,
    };
    let another =
        |what| Err(Error::format(path, format!("is not the file to fetch: it {what}; move it away first")));
    if found.len() != file.bytes {
        return another(format!("has {} bytes, and not {}", found.len(), file.bytes));
    }
    let sum = File::open(path).and_then(sha256).map_err(|e| Error::io(path, e))?;
    if sum.eq_ignore_ascii_case(&file.sha256) {
        Ok(true)
    } else {
        another(format!("has the SHA-256 {sum}, and not {}", file.sha256))
    }
}

/// The SHA-256 of a file from its beginning, in hexadecimal digits.
fn sha256(mut file: impl Read + Seek) -> io::Result<String> {
    file.rewind()?;
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut hasher)?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// One file on its way.
struct Fetch<'a> {
    agent: &'a Agent,
    mirrors: &'a [String],
    file: &'a RemoteFile,
    path: &'a Path,
    options: &'a FetchOptions<'a>,
    /// Where mirrors can be named.
    variable: &'a str,
}

/// Why a file did not arrive.
enum Trouble {
    /// It may go on when the same server is asked again.
    Lost(String),
    /// This server does not have it.
    Refused(String),
    /// It cannot be written.
    Disk(io::Error),
}

impl Fetch<'_> {
    fn run(&self) -> Result<()> {
        let Fetch { file, path, .. } = self;
        let part_path = path.with_file_name(format!("{}.part", file.name));
        let disk = |error| Error::io(&part_path, error);
        let mut part = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part_path)
            .map_err(disk)?;
        match part.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(self.failed("another process is fetching it into the same folder".into()));
            }
            // Not every file system has locks.
            Ok(()) | Err(TryLockError::Error(_)) => (),
        }
        // Another process may have finished it just now.
        if is_there(file, path)? {
            return remove(&part_path).map_err(disk);
        }
        if length(&part).map_err(disk)? > file.bytes {
            part.set_len(0).map_err(disk)?;
        }
        let mut reasons = Vec::new();
        for mirror in self.mirrors {
            match self.bring(mirror, &mut part) {
                Ok(()) => {
                    drop(part);
                    return fs::rename(&part_path, path).map_err(|e| Error::io(*path, e));
                }
                Err(Trouble::Disk(error)) => return Err(disk(error)),
                Err(Trouble::Lost(why) | Trouble::Refused(why)) => {
                    reasons.push(format!("{}: {why}", self.address(mirror)));
                }
            }
        }
        if length(&part).map_err(disk)? == 0 {
            drop(part);
            remove(&part_path).map_err(disk)?;
        }
        Err(self.failed(if reasons.is_empty() {
            format!("no mirror is known: name one in {}", self.variable)
        } else {
            format!("{}; another mirror can be named in {}", reasons.join("; "), self.variable)
        }))
    }

    fn failed(&self, reason: String) -> Error {
        Error::Download { file: self.file.name.clone(), reason }
    }

    fn address(&self, mirror: &str) -> String {
        format!("{}/{}", mirror.trim_end_matches('/'), self.file.name)
    }

    /// Brings all of the file that is not there yet from one mirror, asking again where that may help.
    fn bring(&self, mirror: &str, part: &mut File) -> Result<(), Trouble> {
        let FetchOptions { retries, wait, .. } = *self.options;
        let (mut furthest, mut tries) = (length(part)?, 0);
        // Whether bytes of an earlier run or another mirror are among those there.
        let mut of_others = furthest > 0;
        loop {
            match self.receive(&self.address(mirror), part) {
                Ok(()) => {
                    let sum = sha256(&*part)?;
                    if sum.eq_ignore_ascii_case(&self.file.sha256) {
                        return Ok(());
                    }
                    part.set_len(0)?;
                    if !of_others {
                        return Err(Trouble::Refused(format!(
                            "its file has the SHA-256 {sum}, where {} is expected",
                            self.file.sha256
                        )));
                    }
                    of_others = false;
                }
                Err(Trouble::Lost(why)) => {
                    let now = length(part)?;
                    if now > furthest {
                        (furthest, tries) = (now, 0);
                    }
                    if tries == retries {
                        return Err(Trouble::Lost(why));
                    }
                    thread::sleep(wait.saturating_mul(1 << tries.min(16)).min(LONGEST_WAIT));
                    tries += 1;
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// Asks once for what is not there yet.
    fn receive(&self, url: &str, part: &mut File) -> Result<(), Trouble> {
        let total = self.file.bytes;
        let mut done = part.seek(SeekFrom::End(0))?;
        if done == total {
            return Ok(());
        }
        let mut request = self.agent.get(url);
        if done > 0 {
            request = request.header(RANGE, format!("bytes={done}-"));
        }
        let mut response = request.call().map_err(unanswered)?;
        let of_length = |length: u64| {
            Trouble::Refused(format!("its file has {length} bytes, where {total} are expected"))
        };
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
                let (start, length) = range.and_then(content_range).ok_or_else(|| {
                    Trouble::Refused(format!("it answers with the invalid range {range:?}"))
                })?;
                if let Some(length) = length.filter(|length| *length != total) {
                    return Err(of_length(length));
                }
                if start != done {
                    return Err(Trouble::Refused(format!(
                        "it gives the bytes from {start} on, where those from {done} on were asked for"
                    )));
                }
            }
            // All of it, whatever was asked for.
            StatusCode::OK => {
                if let Some(length) = response.body().content_length().filter(|length| *length != total) {
                    return Err(of_length(length));
                }
                part.set_len(0)?;
                part.rewind()?;
                done = 0;
            }
            status
                if status == StatusCode::REQUEST_TIMEOUT
                    || status == StatusCode::TOO_MANY_REQUESTS
                    || status.is_server_error() =>
            {
                return Err(Trouble::Lost(format!("it answers {status}")));
            }
            status => return Err(Trouble::Refused(format!("it answers {status}"))),
        }
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            (self.options.progress)(DownloadProgress { file: &self.file.name, done, total });
            let lost =
                |why: &dyn std::fmt::Display| Trouble::Lost(format!("{why} after {done} of {total} bytes"));
            let read = match body.read(&mut buffer) {
                Ok(0) if done < total => return Err(lost(&"the connection was lost")),
                Ok(0) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.map_err(|error| lost(&error))?,
            };
            if read as u64 > total - done {
                part.set_len(0)?;
                return Err(Trouble::Refused(format!(
                    "it gives more than the {total} bytes that are expected"
                )));
            }
            part.write_all(&buffer[..read])?;
            done += read as u64;
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Disk(error)
    }
}

fn length(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A request without an answer: addresses that are wrong stay so, connections may come back.
fn unanswered(error: ureq::Error) -> Trouble {
    match error {
        ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => {
            Trouble::Lost(error.to_string())
        }
        _ => Trouble::Refused(error.to_string()),
    }
}

/// From `bytes 100-199/200`: the first byte, and the length of the whole where it is not `*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, length) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.parse().ok()?;
    match length {
        "*" => Some((start, None)),
        _ => Some((start, Some(length.parse().ok()?))),
    }
}

/// Unpacks these members of a `.tar.gz` into a folder: all of them, or none where something is wrong. Those that are
/// there in their length stay as they are.
fn unpack(archive: &Path, members: &[String], folder: &Path) -> Result<()> {
    let wrong = |reason: String| Error::format(archive, reason);
    let damaged = |error: io::Error| wrong(format!("cannot be unpacked: {error}"));
    let file = File::open(archive).map_err(|e| Error::io(archive, e))?;
    let mut tar = tar::Archive::new(MultiGzDecoder::new(BufReader::new(file)));
    // Hidden, so that no reader of datasets takes it for a class.
    let beside = tempfile::Builder::new()
        .prefix(".unpacking-")
        .tempdir_in(folder)
        .map_err(|e| Error::io(folder, e))?;
    let (mut missing, mut unpacked) =
        (members.iter().map(String::as_str).collect::<BTreeSet<_>>(), Vec::new());
    for entry in tar.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        if path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(wrong(format!(
                "has an entry {} whose path leads outside the folder: nothing was unpacked",
                path.display()
            )));
        }
        let (Some(name), true) = (path.file_name(), path.to_str().is_some_and(|path| missing.remove(path)))
        else {
            continue;
        };
        if !entry.header().entry_type().is_file() {
            return Err(wrong(format!("{} in it is no file", path.display())));
        }
        let (to, unpacking) = (folder.join(name), beside.path().join(name));
        if fs::symlink_metadata(&to).is_ok_and(|there| there.is_file() && there.len() == entry.size()) {
            continue;
        }
        let mut file = File::create_new(&unpacking).map_err(|e| Error::io(&unpacking, e))?;
        let copied = io::copy(&mut entry, &mut file).map_err(|error| {
            if is_content(&error) { damaged(error) } else { Error::io(&unpacking, error) }
        })?;
        if copied != entry.size() {
            return Err(wrong(format!("ends amid {}", path.display())));
        }
        unpacked.push((unpacking, to));
    }
    if let Some(first) = missing.first() {
        return Err(wrong(format!(
            "{} of its {} members are not in it, as {first}",
            missing.len(),
            members.len()
        )));
    }
    unpacked.iter().try_for_each(|(from, to)| fs::rename(from, to).map_err(|e| Error::io(to, e)))
}
