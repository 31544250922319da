//! Downloads MNIST, CIFAR-10 or SVHN into a folder that `measure` and `train` read. Stopped at any time, the same command
//! continues where it was.

use crate::failure::{Failure, print};
use indicatif::{ProgressBar, ProgressStyle};
use sharpdim::data::download::{Archive, DownloadProgress, FetchOptions, fetch};
use std::path::PathBuf;

/// Downloads and checks a dataset; continues a download that was stopped
#[derive(clap::Args)]
pub struct Args {
    /// mnist (12 MB), cifar10 (170 MB) or svhn (246 MB)
    #[arg(value_parser = named)]
    name: Archive,

    /// Folder for its files; made if missing
    folder: PathBuf,

    /// URL of a folder with the files, tried first; may be repeated
    #[arg(long, value_name = "URL")]
    mirror: Vec<String>,

    /// Retries of a server after a lost connection, counted anew when more data arrives
    #[arg(long, value_name = "N", default_value_t = FetchOptions::default().retries)]
    retries: u32,
}

fn named(name: &str) -> Result<Archive, String> {
    let all = Archive::all();
    let names = all.each_ref().map(|archive| archive.name.clone()).join(", ");
    all.into_iter().find(|archive| archive.name == name).ok_or_else(|| format!("expected one of {names}"))
}

/// `sharpdim download`: returns the exit code.
pub fn main(args: Args) -> Result<u8, Failure> {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{prefix:28} [{bar:30}] {bytes}/{total_bytes} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    let show = |now: DownloadProgress<'_>| {
        bar.set_prefix(now.file.to_owned());
        bar.set_length(now.total);
        bar.set_position(now.done);
    };
    let options = FetchOptions {
        mirrors: args.mirror.clone(),
        retries: args.retries,
        progress: &show,
        ..FetchOptions::default()
    };
    let fetched = fetch(&args.name, &args.folder, &options);
    bar.finish_and_clear();
    fetched?;
    let (name, files) = (&args.name.name, args.name.files.len());
    print(&format!("{name}: all of its {files} files are in {}", args.folder.display())).map(|()| 0)
}
