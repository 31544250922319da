//! The cache of decoded images: the same bits with it and without, whatever happens to it or to the images.
//! Entries are damaged, sources changed, and folders put in the way.

use super::make::*;
use sharpdim::data::{Cache, CacheSize, Color, Dataset, Loaded, OnBad, Preprocess, Scale, Selection};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Six gray images and two of RGB, of 8 and 16 bits, PNG and JPEG, in two classes.
fn images() -> Folder {
    let folder = Folder::new();
    for at in 0..3 {
        folder.file(&format!("a/{at}.png"), png(20, 24, at));
    }
    let wide: Vec<u16> = noise(480, 9).iter().map(|byte| u16::from(*byte) * 201).collect();
    let wide = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(24, 20, wide).unwrap();
    folder.file("b/wide.png", encoded(wide, image::ImageFormat::Png));
    folder.file("b/1.png", png(20, 24, 4));
    let jpeg = image::GrayImage::from_raw(24, 20, noise(480, 7)).unwrap();
    folder.file("b/2.jpg", encoded(jpeg, image::ImageFormat::Jpeg));
    folder.file("b/3.png", rgb_png(20, 24, 5));
    folder.file("b/4.png", rgb_png(20, 24, 6));
    folder
}

fn cached(images: &Path, cache: &Cache) -> Dataset {
    Dataset::open(images).unwrap().with_cache(cache.clone())
}

fn load_cached(images: &Path, cache: &Cache, how: &Preprocess) -> Loaded {
    cached(images, cache).load(how, &|_| {}).unwrap()
}

/// Bits, as floats that are equal may differ in them.
fn bits(loaded: &Loaded) -> Vec<u32> {
    values(loaded).into_iter().map(f32::to_bits).collect()
}

#[track_caller]
fn assert_same(one: &Loaded, other: &Loaded) {
    assert_eq!(bits(one), bits(other));
    assert_eq!(is_u8(one), is_u8(other));
    assert_eq!(
        (&one.names, &one.labels, &one.index, &one.skipped, [one.height, one.width, one.channels]),
        (
            &other.names,
            &other.labels,
            &other.index,
            &other.skipped,
            [other.height, other.width, other.channels]
        )
    );
}

/// The files of a cache's entries.
fn entries(cache: &Cache) -> Vec<PathBuf> {
    files_below(cache.folder()).into_iter().filter(|path| path.extension().unwrap() == "row").collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let inner = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    inner.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn the_same_bits_with_every_preprocessing() {
    let folder = images();
    let caches = Folder::new();
    let cache = Cache::at(caches.path());
    // Unscaled, depths must be alike.
    let eight_bits = Folder::new();
    for name in ["a/0.png", "a/1.png", "b/1.png", "b/3.png"] {
        eight_bits.file(name, fs::read(folder.path().join(name)).unwrap());
    }
    let mut made = 0;
    for scale in [Scale::Max, Scale::None] {
        let images = if scale == Scale::Max { folder.path() } else { eight_bits.path() };
        for size in [None, Some((20, 24)), Some((24, 20)), Some((7, 50))] {
            for color in [Color::Grayscale, Color::Rgb, Color::AsIs] {
                for antialias in [false, true] {
                    let how = Preprocess { scale, size, color, antialias, on_bad: OnBad::Fail };
                    let plain = load(images, &how).unwrap();
                    // An entry is shared where nothing of the row differs, as gray by wish or by majority.
                    let first = load_cached(images, &cache, &how);
                    let again = load_cached(images, &cache, &how);
                    assert_same(&first, &plain);
                    assert_same(&again, &plain);
                    assert_eq!(again.notes, plain.notes);
                    assert_eq!((plain.from_cache, again.from_cache), (0, plain.labels.len()), "{how:?}");
                    made += plain.labels.len() - first.from_cache;
                }
            }
        }
    }
    let CacheSize { images, bytes, .. } = cache.size().unwrap();
    let files = entries(&cache);
    assert_eq!((images as usize, files.len()), (made, made));
    assert_eq!(bytes, files.iter().map(|file| file.metadata().unwrap().len()).sum::<u64>());
    assert_eq!(files_below(cache.folder()).len(), made, "nothing is left unfinished");
}

#[test]
fn nothing_but_the_row_decides_what_is_found() {
    let folder = images();
    let caches = Folder::new();
    let cache = Cache::at(caches.path());
    let how = Preprocess::default();
    let all = load_cached(folder.path(), &cache, &how);
    assert_eq!(all.from_cache, 0);
    // A part of them, and other names of them in other classes.
    let few = Selection { per_class: Some(2), ..Selection::default() };
    let few = cached(folder.path(), &cache).select(&few).unwrap().load(&how, &|_| {}).unwrap();
    assert_eq!(few.from_cache, 4);
    let moved = Folder::new();
    for (at, name) in all.names.iter().enumerate() {
        let content = fs::read(folder.path().join(name)).unwrap();
        moved.file(&format!("{}/{at}.png", ["x", "y"][at % 2]), content);
    }
    let again = load_cached(moved.path(), &cache, &how);
    assert_eq!(again.from_cache, all.labels.len());
    // By way of splits too, and for the other part.
    let (train, test) = cached(folder.path(), &cache).split(4, 2, 0).unwrap();
    for part in [train, test] {
        let loaded = part.load(&how, &|_| {}).unwrap();
        assert_eq!(loaded.from_cache, loaded.labels.len());
    }
    // What is skipped or not does not matter, nor to what size images are enlarged, and other settings do.
    let skipping = Preprocess { on_bad: OnBad::Skip, ..how.clone() };
    assert_eq!(load_cached(folder.path(), &cache, &skipping).from_cache, 8);
    let larger = Preprocess { size: Some((224, 223)), ..how.clone() };
    assert_eq!(load_cached(folder.path(), &cache, &larger).from_cache, 8);
    for other in [
        Preprocess { antialias: true, ..how.clone() },
        Preprocess { size: Some((5, 4)), ..how.clone() },
        Preprocess { color: Color::Rgb, ..how.clone() },
    ] {
        assert_eq!(load_cached(folder.path(), &cache, &other).from_cache, 0, "{other:?}");
    }
}

#[test]
fn arrays_get_no_cache() {
    let folder = Folder::new();
    folder.file("images.npy", npy("|u1", &[2, 4, 4], &noise(32, 1)));
    folder.file("labels.npy", npy("|u1", &[2], &[0, 1]));
    let cache = Cache::at(folder.path().join("cache"));
    let dataset = cached(&folder.path().join("images.npy"), &cache);
    assert_eq!(dataset.cache(), None);
    assert_eq!(dataset.load(&Preprocess::default(), &|_| {}).unwrap().from_cache, 0);
    assert!(!cache.folder().exists());
}

#[test]
fn damaged_entries_are_made_again() {
    let folder = images();
    let caches = Folder::new();
    let cache = Cache::at(caches.path());
    let how = Preprocess { size: Some((9, 9)), ..Preprocess::default() };
    let plain = load(folder.path(), &how).unwrap();
    load_cached(folder.path(), &cache, &how);
    let files = entries(&cache);
    assert_eq!(files.len(), 8);
    let whole = fs::read(&files[0]).unwrap();
    let swapped = fs::read(&files[1]).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let len = whole.len();
    let damages = [
        flipped(0),
        flipped(15),
        flipped(16),
        flipped(len / 2),
        flipped(len - 33),
        flipped(len - 32),
        flipped(len - 1),
        Vec::new(),
        whole[..10].to_vec(),
        whole[..len - 1].to_vec(),
        [&whole[..], &[0]].concat(),
        vec![0; len],
        // A good entry, of another image.
        swapped,
    ];
    for (at, damage) in damages.into_iter().enumerate() {
        fs::write(&files[0], damage).unwrap();
        let loaded = load_cached(folder.path(), &cache, &how);
        assert_same(&loaded, &plain);
        assert_eq!(loaded.from_cache, 7, "damage {at}");
        let note = loaded.notes.last().unwrap();
        assert!(note.starts_with("1 images in the cache") && note.contains("were damaged"), "{note}");
        // It is whole again.
        assert_eq!(fs::read(&files[0]).unwrap(), whole);
        let again = load_cached(folder.path(), &cache, &how);
        assert_eq!((again.from_cache, again.notes), (8, plain.notes.clone()));
    }
    // Gone is no damage.
    fs::remove_file(&files[0]).unwrap();
    let loaded = load_cached(folder.path(), &cache, &how);
    assert_eq!((loaded.from_cache, loaded.notes), (7, plain.notes.clone()));
}

#[test]
fn a_changed_image_is_seen_whatever_its_name_and_time_say() {
    let folder = Folder::new();
    let caches = Folder::new();
    let cache = Cache::at(caches.path());
    let bmp = |seed| {
        encoded(image::GrayImage::from_raw(10, 10, noise(100, seed)).unwrap(), image::ImageFormat::Bmp)
    };
    let (path, long_ago) =
        (folder.file("a/1.bmp", bmp(1)), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    let backdate = || File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    backdate();
    let how = Preprocess::default();
    let before = load_cached(folder.path(), &cache, &how);
    let (len, modified) = (path.metadata().unwrap().len(), path.metadata().unwrap().modified().unwrap());
    // In place: the same inode, length and time.
    fs::write(&path, bmp(2)).unwrap();
    backdate();
    assert_eq!(
        (len, modified),
        (path.metadata().unwrap().len(), path.metadata().unwrap().modified().unwrap())
    );
    let after = load_cached(folder.path(), &cache, &how);
    assert_eq!(after.from_cache, 0);
    assert_same(&after, &load(folder.path(), &how).unwrap());
    assert_ne!(bits(&after), bits(&before));
    // And back again.
    fs::write(&path, bmp(1)).unwrap();
    let back = load_cached(folder.path(), &cache, &how);
    assert_eq!(back.from_cache, 1);
    assert_same(&back, &before);
}

/// An image that is written to between its hash and its decoding: nothing may be kept under the old hash.
#[test]
fn images_that_change_while_they_are_read_are_not_kept_under_a_wrong_name() {
    let folder = Folder::new();
    let caches = Folder::new();
    let cache = Cache::at(caches.path());
    let bmp = |seed| {
        encoded(image::GrayImage::from_raw(10, 10, noise(100, seed)).unwrap(), image::ImageFormat::Bmp)
    };
    let old: Vec<Vec<u8>> = (0..20).map(bmp).collect();
    for (at, content) in old.iter().enumerate() {
        folder.file(&format!("a/{at:02}.bmp"), content);
    }
    let how = Preprocess { size: None, ..Preprocess::default() };
    let plain = load(folder.path(), &how).unwrap();
    // One thread, so that the first image is done before the others are begun; all are hashed by then.
    let threads = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let changed = std::sync::atomic::AtomicBool::new(false);
    let progress = |finished| {
        if finished == 1 && !changed.swap(true, std::sync::atomic::Ordering::Relaxed) {
            for at in 0..20 {
                folder.file(&format!("a/{at:02}.bmp"), bmp(100 + at));
            }
        }
    };
    threads.install(|| cached(folder.path(), &cache).load(&how, &progress)).unwrap();
    for (at, content) in old.iter().enumerate() {
        folder.file(&format!("a/{at:02}.bmp"), content);
    }
    let again = load_cached(folder.path(), &cache, &how);
    assert_same(&again, &plain);
    assert_eq!(again.from_cache, 1);
}

#[test]
fn bad_images_are_named_or_skipped_as_without_a_cache() {
    let folder = images();
    let caches = Folder::new();
    let cache = Cache::at(caches.path());
    folder.file("a/1.png", &png(20, 24, 1)[..200]);
    folder.file("b/1.png", "no image");
    for _ in 0..2 {
        assert_says(cached(folder.path(), &cache).load(&Preprocess::default(), &|_| {}), &["b/1.png"]);
        let how = Preprocess { on_bad: OnBad::Skip, ..Preprocess::default() };
        let loaded = load_cached(folder.path(), &cache, &how);
        assert_same(&loaded, &load(folder.path(), &how).unwrap());
        assert_eq!(loaded.skipped.len(), 2);
    }
    assert_eq!(cache.size().unwrap().images, 6);
}

#[test]
fn many_threads_share_a_cache() {
    let folder = Folder::new();
    for at in 0..60 {
        folder.file(&format!("a/{at}.png"), png(16, 16, at));
    }
    let caches = Folder::new();
    let cache = Cache::at(caches.path());
    let how = Preprocess { size: Some((40, 40)), ..Preprocess::default() };
    let plain = load(folder.path(), &how).unwrap();
    for round in 0..3 {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
                    let loaded = threads.install(|| load_cached(folder.path(), &cache, &how));
                    assert_same(&loaded, &plain);
                    assert_eq!(loaded.notes, plain.notes, "round {round}");
                });
            }
        });
        assert_eq!(files_below(cache.folder()).len(), 60);
    }
    assert_eq!(load_cached(folder.path(), &cache, &how).from_cache, 60);
}

#[test]
fn a_cache_that_cannot_be_written_is_done_without() {
    let folder = images();
    let caches = Folder::new();
    let how = Preprocess { size: Some((9, 9)), ..Preprocess::default() };
    let plain = load(folder.path(), &how).unwrap();
    // Permissions would not stop a test that is run by root; a file in the way stops anyone.
    let file = caches.file("file", "");
    let mut places = vec![file.join("cache"), file];
    let blocked = caches.folder("blocked");
    for first in 0..=u8::MAX {
        fs::write(blocked.join(format!("{first:02x}")), "").unwrap();
    }
    places.push(blocked);
    let part = caches.folder("part");
    fs::write(part.join("unfinished"), "").unwrap();
    places.push(part);
    for place in places {
        let loaded = load_cached(folder.path(), &Cache::at(&place), &how);
        assert_same(&loaded, &plain);
        assert_eq!(loaded.from_cache, 0);
        let [note] = &loaded.notes[plain.notes.len()..] else { panic!("{:?}", loaded.notes) };
        assert!(
            note.contains("the cache cannot be written") && note.contains(place.to_str().unwrap()),
            "{note}"
        );
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_written_to_is_still_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = images();
    let caches = Folder::new();
    let cache = Cache::at(caches.path());
    let how = Preprocess { size: Some((9, 9)), ..Preprocess::default() };
    let plain = load_cached(folder.path(), &cache, &how);
    let set = |mode| {
        let folders = fs::read_dir(caches.path()).unwrap().map(|entry| entry.unwrap().path());
        folders.chain([caches.path().to_owned()]).for_each(|folder| {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        });
    };
    let mode = entries(&cache)[0].metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others can read it: {mode:o}");
    set(0o555);
    let loaded = load_cached(folder.path(), &cache, &how);
    set(0o755);
    assert_same(&loaded, &plain);
    assert_eq!((loaded.from_cache, loaded.notes), (8, plain.notes));
}

#[test]
fn clearing_takes_nothing_else() {
    let folder = images();
    let caches = Folder::new();
    let cache = Cache::at(caches.path());
    load_cached(folder.path(), &cache, &Preprocess::default());
    let mine = [
        caches.file("notes.txt", "mine"),
        caches.file("ab/notes.txt", "mine"),
        caches.file("ab/x.row", "mine"),
    ];
    assert_eq!(cache.size().unwrap().images, 8);
    cache.clear().unwrap();
    assert_eq!(cache.size().unwrap(), CacheSize::default());
    let mut left = files_below(caches.path());
    left.sort();
    assert_eq!(left, [mine[1].clone(), mine[2].clone(), mine[0].clone()]);
    assert_eq!(fs::read_dir(caches.path()).unwrap().count(), 2, "empty folders are gone");
    // Of nothing, there is nothing to clear.
    Cache::at(folder.path().join("no/such/place")).clear().unwrap();
    let loaded = load_cached(folder.path(), &cache, &Preprocess::default());
    assert_eq!((loaded.from_cache, cache.size().unwrap().images), (0, 8));
}

#[test]
fn what_killed_processes_left_is_removed_when_it_is_old() {
    let folder = images();
    let caches = Folder::new();
    let cache = Cache::at(caches.path());
    let [old, new] = ["old", "new"].map(|name| caches.file(&format!("unfinished/{name}.part"), "half"));
    let other = caches.file("unfinished/other", "mine");
    let days = SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60);
    for path in [&old, &other] {
        File::options().write(true).open(path).unwrap().set_modified(days).unwrap();
    }
    load_cached(folder.path(), &cache, &Preprocess::default());
    assert_eq!([&old, &new, &other].map(|path| path.exists()), [false, true, true]);
    cache.clear().unwrap();
    assert_eq!([&new, &other].map(|path| path.exists()), [false, true]);
}

/// The rows of fixed images. Where these change, entries that are on users' disks are wrong: VERSION in
/// src/data/cache.rs must be raised with them, and the numbers here be made anew.
#[test]
fn rows_are_those_of_this_version_of_the_cache() {
    let folder = Folder::new();
    folder.file("a/1.png", rgb_png(13, 17, 1));
    folder.file("a/2.png", png(11, 19, 2));
    let jpeg = image::RgbImage::from_raw(24, 20, noise(1440, 3)).unwrap();
    folder.file("b/3.jpg", encoded(jpeg, image::ImageFormat::Jpeg));
    let sums: Vec<String> = [
        Preprocess::default(),
        Preprocess { size: Some((8, 9)), antialias: true, color: Color::Grayscale, ..Preprocess::default() },
        Preprocess { size: Some((30, 20)), scale: Scale::None, color: Color::Rgb, ..Preprocess::default() },
    ]
    .iter()
    .map(|how| {
        let bytes: Vec<u8> =
            values(&load(folder.path(), how).unwrap()).into_iter().flat_map(f32::to_le_bytes).collect();
        blake3::hash(&bytes).to_hex()[..16].to_owned()
    })
    .collect();
    assert_eq!(
        sums,
        ["10a253f6c52f9c33", "1be4b180b369528a", "1948a49472530b29"],
        "rows have changed: raise VERSION in src/data/cache.rs"
    );
}
