#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("rover-file-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn options(&self) -> FileOptions {
        let path = self.0.join("access.log");
        FileOptions { path, format: "json".to_owned(), rotate_bytes: 0, rotate_hours: 0.0, keep: 3 }
    }

    /// The lines of each file, by the name of the file.
    fn lines(&self) -> Vec<(String, Vec<String>)> {
        let read = |path: PathBuf| {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, text.lines().map(str::to_owned).collect())
        };
        let mut files: Vec<_> = fs::read_dir(&self.0).unwrap().map(|entry| read(entry.unwrap().path())).collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn lines(numbers: std::ops::Range<u32>) -> Lines {
    let records = u64::from(numbers.end - numbers.start);
    Lines { bytes: numbers.flat_map(|number| format!("{number:05}\n").into_bytes()).collect(), records }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[test]
fn a_file_is_rotated_by_size_between_lines_and_old_ones_go() {
    let folder = Folder::new();
    // Room for two lines and a half.
    let mut file = RotatingFile::start(FileOptions { rotate_bytes: 15, ..folder.options() }).unwrap();
    file.write(lines(0..3));
    file.write(lines(3..11));
    file.finish(soon());
    let text = |numbers: [u32; 2]| numbers.map(|number| format!("{number:05}")).to_vec();
    let expected = [
        ("access.log".to_owned(), vec!["00010".to_owned()]),
        ("access.log.1".to_owned(), text([8, 9])),
        ("access.log.2".to_owned(), text([6, 7])),
        ("access.log.3".to_owned(), text([4, 5])),
    ];
    assert_eq!(folder.lines(), expected);
    let stats = file.handle().stats();
    assert_eq!((stats.written, stats.dropped, stats.rotations), (11, 0, 5));
}

#[test]
fn a_file_is_rotated_by_age() {
    let folder = Folder::new();
    let mut file = RotatingFile::start(FileOptions { rotate_hours: 1e-9, ..folder.options() }).unwrap();
    file.write(lines(0..2));
    file.write(lines(2..3));
    file.finish(soon());
    assert_eq!(folder.lines().len(), 2);
}

#[test]
fn a_line_larger_than_a_file_is_a_file_of_its_own() {
    let folder = Folder::new();
    let mut file = RotatingFile::start(FileOptions { rotate_bytes: 3, ..folder.options() }).unwrap();
    file.write(lines(0..2));
    file.finish(soon());
    assert_eq!(folder.lines().iter().map(|(_, lines)| lines.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn after_a_rename_lines_go_on_in_the_old_file_until_the_signal() {
    let folder = Folder::new();
    let mut file = RotatingFile::start(folder.options()).unwrap();
    let (path, handle) = (folder.options().path, file.handle());
    let written = |count| {
        let deadline = soon();
        while handle.stats().written < count {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
    };
    file.write(lines(0..5));
    written(5);
    fs::rename(&path, folder.0.join("old")).unwrap();
    file.write(lines(5..7));
    written(7);
    handle.reopen();
    file.write(lines(7..9));
    file.finish(soon());
    let counts: Vec<_> = folder.lines().into_iter().map(|(name, lines)| (name, lines.len())).collect();
    assert_eq!(counts, [("access.log".to_owned(), 2), ("old".to_owned(), 7)]);
}

#[test]
fn a_disk_that_takes_nothing_is_told_and_what_is_left_counted() {
    let options = FileOptions { path: PathBuf::from("/dev/full"), ..Folder::new().options() };
    let mut file = RotatingFile::start(options).unwrap();
    file.write(lines(0..5));
    let deadline = soon();
    while file.handle().stats().error.is_none() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert!(!file.refuses());
    file.finish(Instant::now());
    let stats = file.handle().stats();
    assert_eq!((stats.written, stats.dropped), (0, 5));
}
