//! A token that both ends of a call know: a text, or the first line of a file, which may change at any time.
//!
//! The file is looked at for each call, and read when it is another one than before. One that cannot be read, or has no
//! token, changes nothing: whoever replaces a secret may write it in two steps.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Longest file that is read: more is no token.
const LONGEST: u64 = 64 << 10;

/// Device, inode, length and times of a file: another one differs in one of them.
type Stamp = (u64, u64, u64, i64, i64);

#[derive(Clone)]
pub struct Token {
    file: Option<PathBuf>,
    known: Arc<Mutex<Known>>,
}

/// Of which file, and what it said.
type Known = (Option<Stamp>, Option<Arc<str>>);

impl Token {
    /// With neither there is none. What is in the file comes before `text`.
    pub fn new(text: Option<&str>, file: Option<PathBuf>) -> Token {
        Token { file, known: Arc::new(Mutex::new((None, text.map(Arc::from)))) }
    }

    /// As it is now.
    pub fn current(&self) -> Option<Arc<str>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stamp, text)) = self.maybe_new(known.0) {
            *known = (Some(stamp), Some(text));
        }
        known.1.clone()
    }

    /// Whether calls need one, also while its file cannot be read.
    pub fn is_wanted(&self) -> bool {
        self.file.is_some() || self.known.lock().unwrap_or_else(PoisonError::into_inner).1.is_some()
    }

    fn maybe_new(&self, before: Option<Stamp>) -> Option<(Stamp, Arc<str>)> {
        let path = self.file.as_ref()?;
        let found = fs::metadata(path).ok().filter(|found| found.len() <= LONGEST)?;
        let changed = found.mtime().saturating_mul(1_000_000_000).saturating_add(found.mtime_nsec());
        let stamp = (found.dev(), found.ino(), found.len(), changed, found.ctime_nsec());
        if before == Some(stamp) {
            return None;
        }
        let text = fs::read_to_string(path).ok()?;
        let token = text.lines().next().unwrap_or_default().trim();
        (!token.is_empty()).then(|| (stamp, token.into()))
    }
}

impl std::fmt::Debug for Token {
    /// Never the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_the_next_token() {
        let folder = std::env::temp_dir().join(format!("rover-token-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("token");
        fs::write(&file, "first\nsecond line\n").unwrap();
        let token = Token::new(None, Some(file.clone()));
        assert_eq!(token.current().as_deref(), Some("first"));
        for (written, expected) in [("other", "other"), ("", "other"), ("\n", "other"), ("again\n", "again")] {
            fs::write(folder.join("new"), written).unwrap();
            fs::rename(folder.join("new"), &file).unwrap();
            assert_eq!(token.current().as_deref(), Some(expected), "{written:?}");
        }
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(token.current().as_deref(), Some("again"));
        assert!(!format!("{token:?}").contains("again"));
    }

    #[test]
    fn a_file_that_is_not_there_is_no_leave_to_come_in() {
        let missing = Token::new(None, Some("/nonexistent/token".into()));
        assert_eq!((missing.current(), missing.is_wanted()), (None, true));
        assert!(!Token::new(None, None).is_wanted());
        assert_eq!(Token::new(Some("a"), None).current().as_deref(), Some("a"));
    }
}
