//! Renewed tokens that could not be written into their file. The service may take the token in the file
//! for used up, so these are the only ones that are good.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::s3::credentials::sign_in::document::Document;
use crate::sys::sync::{Mutex, lock};

/// One client's tokens of this kind, by file.
#[derive(Clone, Default)]
pub(crate) struct UnsavedTokens(Arc<Mutex<HashMap<PathBuf, Document>>>);

impl UnsavedTokens {
    pub(super) fn keep(&self, path: &Path, token: Document) {
        lock(&self.0).insert(path.to_owned(), token);
    }

    pub(super) fn forget(&self, path: &Path) {
        lock(&self.0).remove(path);
    }

    pub(super) fn of(&self, path: &Path) -> Option<Document> {
        lock(&self.0).get(path).cloned()
    }
}
