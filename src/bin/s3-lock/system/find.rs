//! Whether a program can be found, before anybody waits for a lock on its behalf.

use std::env;
use std::ffi::OsStr;
use std::path::Path;

/// False if starting the program would certainly find nothing. It looks where `execvp` does.
pub fn may_be_found(program: &OsStr) -> bool {
    if program.is_empty() {
        return false;
    }
    if program.as_encoded_bytes().contains(&b'/') {
        return Path::new(program).exists();
    }
    let Some(path) = env::var_os("PATH") else {
        return true;
    };
    // An empty entry is the folder that we are in.
    env::split_paths(&path).any(|folder| folder.join(program).exists())
}
