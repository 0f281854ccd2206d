//! Reads and replaces a file of tokens. This blocks, so it is for threads of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::store::s3::blocking::read_bytes;
use crate::sys::random::nonce;

/// More bytes than any file of tokens has.
const MAX_FILE: u64 = 1 << 20;

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_bytes(path, MAX_FILE)
}

/// A new file beside one that it is going to replace, so that nobody ever sees half a file. Whoever may
/// make it may also replace the other one, which is known before a token is used up.
///
/// Dropping it removes it.
pub(super) struct Replacement {
    file: File,
    path: PathBuf,
    replaces: PathBuf,
    is_in_place: bool,
}

impl Replacement {
    pub(super) fn beside(path: &Path) -> io::Result<Replacement> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        // Nobody else has this name. A link in its place would not be followed.
        name.push(format!(".{}.tmp", String::from(nonce()?)));
        let replacement = path.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // As AWS's tools have it: for nobody else to read.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Replacement {
            file: options.open(&replacement)?,
            path: replacement,
            replaces: path.to_owned(),
            is_in_place: false,
        })
    }

    /// Writes it, and puts it in place.
    pub(super) fn put(mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.file.sync_all()?;
        fs::rename(&self.path, &self.replaces)?;
        self.is_in_place = true;
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.is_in_place {
            // If this fails, an empty file is left that nobody reads.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let id = std::process::id();
        let folder = std::env::temp_dir().join(format!("s3-lock-{name}-{id}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |e: io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
        entries.map(name).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_for_its_owner_alone() {
        let folder = folder("replaced");
        let path = folder.join("token.json");
        fs::write(&path, "old").unwrap();
        let replacement = Replacement::beside(&path).unwrap();
        assert_eq!(read(&path).unwrap(), b"old");
        replacement.put("new").unwrap();
        assert_eq!(read(&path).unwrap(), b"new");
        assert_eq!(names(&folder), ["token.json"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_not_put_in_place_leaves_nothing() {
        let folder = folder("dropped");
        drop(Replacement::beside(&folder.join("token.json")).unwrap());
        assert!(names(&folder).is_empty());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_replaced_and_what_it_points_to_is_left_alone() {
        let folder = folder("link");
        let (path, target) = (folder.join("token.json"), folder.join("target"));
        fs::write(&target, "of others").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        Replacement::beside(&path).unwrap().put("new").unwrap();
        assert_eq!(read(&target).unwrap(), b"of others");
        assert_eq!(read(&path).unwrap(), b"new");
        fs::remove_dir_all(folder).unwrap();
    }
}
