//! Reads the crate's sources: which file names what, and in which line.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// The files of `src`, by their paths there.
pub struct Sources(pub BTreeMap<String, Source>);

#[derive(Default)]
pub struct Source {
    /// The paths that it names: this crate's own in full as `crate::…`, others as they are written.
    pub names: Vec<Name>,
    /// What it declares with `mod name;`.
    modules: BTreeSet<String>,
    /// The same under `#[cfg(test)]`.
    test_modules: BTreeSet<String>,
    /// The names that it re-exports, and from which path.
    exports: BTreeMap<String, Vec<String>>,
}

pub struct Name {
    pub path: Vec<String>,
    pub line: usize,
}

impl Sources {
    /// All files below a folder.
    pub fn read(root: &Path) -> Sources {
        let mut texts = BTreeMap::new();
        collect(root, root, &mut texts);
        Sources::of(texts)
    }

    pub fn of(texts: BTreeMap<String, String>) -> Sources {
        let parsed = texts
            .into_iter()
            .map(|(file, text)| (file.clone(), parse(&file, &text)));
        let mut sources = Sources(parsed.collect());
        for file in sources.test_files() {
            sources.0.remove(&file);
        }
        sources
    }

    fn test_files(&self) -> Vec<String> {
        let is_test = |file: &String| {
            let module = module_of(file);
            (1..=module.len()).any(|end| {
                let (name, parent) = module[..end].split_last().expect("it is not empty");
                let parent = self.file_of(parent);
                parent.is_some_and(|parent| self.0[&parent].test_modules.contains(name))
            })
        };
        self.0
            .keys()
            .filter(|file| is_test(file))
            .cloned()
            .collect()
    }

    /// The file of a module.
    fn file_of(&self, module: &[String]) -> Option<String> {
        let joined = module.join("/");
        let candidates = if joined.is_empty() {
            vec!["lib.rs".to_owned()]
        } else {
            vec![format!("{joined}.rs"), format!("{joined}/mod.rs")]
        };
        candidates
            .into_iter()
            .find(|file| self.0.contains_key(file))
    }

    /// The file that defines what a path of this crate names. That is the file of the longest part
    /// that is a module, or the file that this one re-exports the rest from.
    pub fn target(&self, path: &[String]) -> Option<String> {
        let path = path.strip_prefix(&["crate".to_owned()])?;
        let (file, rest) = (0..=path.len())
            .rev()
            .find_map(|end| Some((self.file_of(&path[..end])?, &path[end..])))?;
        let export = rest
            .first()
            .and_then(|name| self.0[&file].exports.get(name));
        match export {
            Some(from) => self.target(from),
            None => Some(file),
        }
    }
}

fn collect(root: &Path, folder: &Path, texts: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            collect(root, &path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(root).expect("it is below the root");
            let file = file.to_str().expect("its name is plain").replace('\\', "/");
            texts.insert(file, fs::read_to_string(&path).expect("it can be read"));
        }
    }
}

/// The module of a file, without `crate`.
fn module_of(file: &str) -> Vec<String> {
    let stem = file.strip_suffix(".rs").expect("a file of Rust");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    match stem {
        "lib" => Vec::new(),
        stem => stem.split('/').map(str::to_owned).collect(),
    }
}

fn parse(file: &str, text: &str) -> Source {
    let tokens: TokenStream = text
        .parse()
        .unwrap_or_else(|error| panic!("src/{file} is not Rust: {error}"));
    let mut source = Source::default();
    let tokens: Vec<_> = tokens.into_iter().collect();
    declarations(&tokens, &mut source);
    walk(&tokens, &module_of(file), &mut source);
    source
}

/// Notes `mod name;`, with and without `#[cfg(test)]` before it.
fn declarations(tokens: &[TokenTree], source: &mut Source) {
    for (at, token) in tokens.iter().enumerate() {
        let is_end = tokens.get(at + 2).is_some_and(|end| is_punct(end, ';'));
        if let (true, true, Some(TokenTree::Ident(name))) =
            (is_ident(token, "mod"), is_end, tokens.get(at + 1))
        {
            let modules = if is_test_only(tokens, at) {
                &mut source.test_modules
            } else {
                &mut source.modules
            };
            modules.insert(name.to_string());
        }
    }
}

/// Notes every path, except what is compiled only for tests.
fn walk(tokens: &[TokenTree], module: &[String], source: &mut Source) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => {
                // `pub(super)` names nothing that is used.
                let is_scope = at > 0 && is_ident(&tokens[at - 1], "pub");
                if !is_scope && !is_inline_test(tokens, at) {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    walk(&inner, module, source);
                }
                at += 1;
            }
            TokenTree::Ident(first) if !follows_path(tokens, at) => {
                let line = first.span().start().line;
                let is_export =
                    at > 0 && is_ident(&tokens[at - 1], "use") && is_public(tokens, at - 1);
                let (paths, next) = paths_at(tokens, at);
                for path in paths {
                    let path = resolved(path, module, source);
                    if let (true, Some(name)) = (is_export, path.last()) {
                        source.exports.insert(name.clone(), path.clone());
                    }
                    if path.len() > 1 {
                        source.names.push(Name { path, line });
                    }
                }
                at = next;
            }
            _ => at += 1,
        }
    }
}

/// The paths that begin with an identifier: one, or several if it ends in braces. Also where the
/// next token is.
fn paths_at(tokens: &[TokenTree], at: usize) -> (Vec<Vec<String>>, usize) {
    let mut path = vec![tokens[at].to_string()];
    let mut next = at + 1;
    while next + 2 < tokens.len() + 1 && is_path_separator(tokens, next) {
        match tokens.get(next + 2) {
            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                let paths = inside(&inner)
                    .into_iter()
                    .map(|rest| [path.clone(), rest].concat());
                return (paths.collect(), next + 3);
            }
            _ => break,
        }
        next += 3;
    }
    (vec![path], next)
}

/// The paths in the braces of a `use`.
fn inside(tokens: &[TokenTree]) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !matches!(tokens[at], TokenTree::Ident(_)) {
            at += 1;
            continue;
        }
        let (more, next) = paths_at(tokens, at);
        paths.extend(more.into_iter().map(|mut path| {
            if path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            path
        }));
        // `as name`
        let renamed = tokens.get(next).is_some_and(|token| is_ident(token, "as"));
        at = if renamed { next + 2 } else { next };
    }
    paths
}

/// A path as seen from the crate's root, if it is one of this crate.
fn resolved(path: Vec<String>, module: &[String], source: &Source) -> Vec<String> {
    let root = || vec!["crate".to_owned()];
    match path[0].as_str() {
        "self" if path.len() > 1 => [root(), module.to_vec(), path[1..].to_vec()].concat(),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let parent = &module[..module.len().saturating_sub(ups)];
            [root(), parent.to_vec(), path[ups..].to_vec()].concat()
        }
        first if path.len() > 1 && source.modules.contains(first) => {
            [root(), module.to_vec(), path].concat()
        }
        _ => path,
    }
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if *ident == name)
}

fn is_punct(token: &TokenTree, char: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == char)
}

/// Whether `::` is there.
fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let first = matches!(tokens.get(at), Some(TokenTree::Punct(punct))
        if punct.as_char() == ':' && punct.spacing() == Spacing::Joint);
    first
        && tokens
            .get(at + 1)
            .is_some_and(|second| is_punct(second, ':'))
}

/// Whether `::` comes before.
fn follows_path(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && is_path_separator(tokens, at - 2)
}

fn is_public(tokens: &[TokenTree], use_at: usize) -> bool {
    let before = use_at.checked_sub(1).map(|at| &tokens[at]);
    let is_scope = matches!(before, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
    is_scope || before.is_some_and(|token| is_ident(token, "pub"))
}

/// Whether `#[cfg(test)]` or `#[cfg(all(test, …))]` stands before an item.
fn is_test_only(tokens: &[TokenTree], item: usize) -> bool {
    let mut at = item;
    while at >= 1 {
        match &tokens[at - 1] {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                let text = group.stream().to_string().replace(' ', "");
                if text == "cfg(test)" || text.starts_with("cfg(all(test,") {
                    return true;
                }
                at -= 1;
            }
            TokenTree::Punct(punct) if punct.as_char() == '#' => at -= 1,
            token if is_ident(token, "pub") => at -= 1,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => at -= 1,
            _ => return false,
        }
    }
    false
}

/// Whether a group is the body of a `mod name { … }` that is compiled only for tests.
fn is_inline_test(tokens: &[TokenTree], body: usize) -> bool {
    body >= 2 && is_ident(&tokens[body - 2], "mod") && is_test_only(tokens, body - 2)
}
