//! Programs that talk TLS to one another.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes with the test.
pub struct Folder(PathBuf);

static FOLDERS: AtomicU32 = AtomicU32::new(0);

impl Folder {
    pub fn new() -> Folder {
        let name = format!("rover-sites-{}-{}", std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// libssl and libcrypto of this machine, copied: `LD_LIBRARY_PATH` leads a program to them.
pub struct Openssl {
    pub folder: PathBuf,
    pub libssl: PathBuf,
    pub libcrypto: PathBuf,
}

pub fn openssl_copy(folder: &Folder) -> Option<Openssl> {
    let system = Path::new("/usr/lib/x86_64-linux-gnu");
    let copy = |name: &str| {
        let to = folder.path().join(name);
        std::fs::copy(system.join(name), &to).ok().map(|_| to)
    };
    let (Some(libssl), Some(libcrypto)) = (copy("libssl.so.3"), copy("libcrypto.so.3")) else {
        eprintln!("skipped: no libssl.so.3 in {}", system.display());
        return None;
    };
    Some(Openssl { folder: folder.path().to_path_buf(), libssl, libcrypto })
}

/// A key and a certificate for localhost, made by the openssl command.
pub fn certificate(folder: &Folder) -> (PathBuf, PathBuf) {
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (key, certificate)
}

/// Runs Python on both ends of TLS connections, and gives back how many bytes of plaintext were sent in all.
pub fn python_talk(folder: &Folder, openssl: &Openssl) -> u64 {
    let (key, certificate) = certificate(folder);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/talk.py");
    let output = Command::new("/usr/bin/python3")
        .env("LD_LIBRARY_PATH", &openssl.folder)
        .arg(script)
        .args([&key, &certificate])
        .output()
        .expect("python3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

/// `talk.go`, with or without symbols; None, and a line that says why, where Go is missing.
pub fn compile_go(folder: &Folder, is_stripped: bool) -> Option<PathBuf> {
    let program = folder.path().join("talk");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/talk.go");
    let flags = if is_stripped { "-ldflags=-s -w" } else { "-ldflags=" };
    // GO names another toolchain: its version decides the layout of what is looked for.
    let named = std::env::var("GO").unwrap_or_else(|_| "go".into());
    let places = [named, "/usr/local/go/bin/go".into()];
    let go = places.into_iter().find(|go| Command::new(go).arg("version").output().is_ok());
    let Some(go) = go else {
        eprintln!("skipped: Go is missing");
        return None;
    };
    let output = Command::new(go)
        .args(["build", flags, "-o"])
        .arg(&program)
        .arg(source)
        .env("GOFLAGS", "-mod=mod")
        .env("GO111MODULE", "off")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(program)
}

/// How many bytes of plaintext the program sent in all.
pub fn run_go(program: &Path, folder: &Folder, is_still: bool) -> u64 {
    let (key, certificate) = certificate(folder);
    let mut command = Command::new(program);
    command.args([&key, &certificate]);
    if is_still {
        // A garbage collection would shrink the stacks again.
        command.arg("still").env("GOGC", "off");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

/// A copy of Python's grpc package, and its library in it; None where this repository's Python has none.
pub fn grpc_copy(folder: &Folder) -> Option<PathBuf> {
    let output =
        Command::new(python()).args(["-c", "from grpc._cython import cygrpc; print(cygrpc.__file__)"]).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        eprintln!("skipped: {} has no grpc", python().display());
        return None;
    };
    let library = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let package = library.ancestors().nth(2)?;
    let status = Command::new("cp").arg("-r").arg(package).arg(folder.path()).status().unwrap();
    assert!(status.success());
    Some(folder.path().join("grpc/_cython").join(library.file_name()?))
}

/// How many bytes of messages were sent by the copy.
pub fn run_grpc(folder: &Folder) -> u64 {
    let (key, certificate) = certificate(folder);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/talk_grpc.py");
    let output = Command::new(python())
        .env("PYTHONPATH", folder.path())
        .arg(script)
        .args([&key, &certificate])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

fn python() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    std::env::var_os("PYTHON").map_or(own, PathBuf::from)
}

/// node, if it has OpenSSL inside.
pub fn node_copy(folder: &Folder) -> Option<PathBuf> {
    let copy = folder.path().join("node");
    let is_there = std::fs::copy("/usr/bin/node", &copy).is_ok();
    if !is_there {
        eprintln!("skipped: no node");
        return None;
    }
    Some(copy)
}

/// How many bytes of bodies node sent to itself.
pub fn run_node(program: &Path, folder: &Folder) -> u64 {
    let (key, certificate) = certificate(folder);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/talk.js");
    let output = Command::new(program).arg(script).args([&key, &certificate]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

/// `pairs_gnutls.c`, and a copy of the library that it then uses.
pub fn compile_gnutls(folder: &Folder) -> Option<(PathBuf, PathBuf)> {
    let (program, library) = (folder.path().join("pairs_gnutls"), folder.path().join("libgnutls.so.30"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/pairs_gnutls.c");
    let status =
        Command::new("gcc").arg("-O2").arg(source).arg("-o").arg(&program).args(["-lgnutls", "-lpthread"]).status();
    let is_there = std::fs::copy("/usr/lib/x86_64-linux-gnu/libgnutls.so.30", &library).is_ok();
    if !is_there || !status.is_ok_and(|status| status.success()) {
        eprintln!("skipped: gcc or GnuTLS's headers are missing");
        return None;
    }
    Some((program, library))
}

/// How many bytes of plaintext were sent in all.
pub fn run_gnutls(program: &Path, folder: &Folder) -> u64 {
    let output = Command::new(program).env("LD_LIBRARY_PATH", folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

/// Copies of the libssl and the libcrypto in the folder.
pub fn copy_of_version(to: &Folder, from: &Path) -> Option<(PathBuf, PathBuf)> {
    let folder = to.path().join(format!("version-{}", FOLDERS.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir_all(&folder).ok()?;
    let copy = |beginning: &str| {
        let entries = std::fs::read_dir(from).ok()?.flatten();
        let found = entries.into_iter().find(|entry| entry.file_name().to_string_lossy().starts_with(beginning))?;
        let path = folder.join(found.file_name());
        std::fs::copy(found.path(), &path).ok().map(|_| path)
    };
    Some((copy("libssl")?, copy("libcrypto")?))
}

/// `pairs.c`, linked with the shared libraries of this machine, or with what else the arguments say.
pub fn compile_pairs(folder: &Folder, link: &[&str]) -> Option<PathBuf> {
    let program = folder.path().join("pairs");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/pairs.c");
    let status = Command::new("gcc").arg("-O2").arg(source).arg("-o").arg(&program).args(link).status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("skipped: gcc or OpenSSL's headers are missing");
        return None;
    }
    Some(program)
}

/// Nanoseconds per write and read together.
pub fn run_pairs(program: &Path, libraries: &Path, folder: &Folder, count: u32, is_ex: bool) -> u64 {
    let (key, certificate) = certificate(folder);
    let output = Command::new(program)
        .env("LD_LIBRARY_PATH", libraries)
        .args([&key, &certificate])
        .arg(count.to_string())
        .args(is_ex.then_some("ex"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}
