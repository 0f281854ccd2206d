//! Reads the crate's sources: which file names what, at which line.
//!
//! It does not expand macros, nor look into strings: a path that an attribute has in quotation marks, or that
//! a macro puts together, is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// The files of a crate, by their paths in its folder.
pub struct Sources(pub BTreeMap<String, Source>);

/// What a file names.
#[derive(Default)]
pub struct Source {
    pub names: Vec<Name>,
    /// What would let names go unseen: globs, other names for a crate, files from elsewhere.
    pub dodges: Vec<(usize, String)>,
    /// What its imports bind, and to which path.
    pub imports: BTreeMap<String, Vec<String>>,
    /// What it declares with `mod name;`.
    modules: BTreeSet<String>,
    /// The same under `#[cfg(test)]`.
    test_modules: BTreeSet<String>,
}

/// A path, in full: it begins with `crate` or with the name of another crate, as far as can be told.
pub struct Name {
    pub path: Vec<String>,
    pub line: usize,
    pub use_: Use,
}

/// How a path is named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Import,
    Export,
    Inline,
}

impl Sources {
    /// All files below a folder, but those of commands, which are crates of their own.
    pub fn read(root: &Path) -> Sources {
        let mut texts = BTreeMap::new();
        collect(root, root, &mut texts);
        texts.retain(|file, _| !file.starts_with("bin/"));
        Sources::of(texts)
    }

    pub fn of(texts: BTreeMap<String, String>) -> Sources {
        let parsed = texts.into_iter().map(|(file, text)| {
            let source = Reader::read(&file, &text);
            (file, source)
        });
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
            vec!["lib.rs".to_owned(), "main.rs".to_owned()]
        } else {
            vec![format!("{joined}.rs"), format!("{joined}/mod.rs")]
        };
        candidates
            .into_iter()
            .find(|file| self.0.contains_key(file))
    }

    /// The file that defines what a path of this crate names: that of its longest part that is a module,
    /// or where that re-exports the rest from.
    pub fn target(&self, path: &[String]) -> Option<String> {
        let path = path.strip_prefix(&["crate".to_owned()])?;
        let (file, rest) = (0..=path.len())
            .rev()
            .find_map(|end| Some((self.file_of(&path[..end])?, &path[end..])))?;
        let bound = rest
            .first()
            .and_then(|name| self.0[&file].imports.get(name));
        // What comes from another crate counts as this file's own.
        Some(bound.and_then(|from| self.target(from)).unwrap_or(file))
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
    if stem == "lib" || stem == "main" {
        return Vec::new();
    }
    stem.split('/').map(str::to_owned).collect()
}

/// Reads one file.
struct Reader {
    module: Vec<String>,
    source: Source,
}

impl Reader {
    fn read(file: &str, text: &str) -> Source {
        let tokens: TokenStream = text
            .parse()
            .unwrap_or_else(|error| panic!("src/{file} is not Rust: {error}"));
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut reader = Reader {
            module: module_of(file),
            source: Source::default(),
        };
        reader.declarations(&tokens);
        reader.imports(&tokens);
        reader.paths(&tokens);
        reader.source
    }

    /// Notes `mod name;`, with and without `#[cfg(test)]` before it.
    fn declarations(&mut self, tokens: &[TokenTree]) {
        for (at, token) in tokens.iter().enumerate() {
            let is_end = tokens.get(at + 2).is_some_and(|end| is_punct(end, ';'));
            if let (true, true, Some(TokenTree::Ident(name))) =
                (is_ident(token, "mod"), is_end, tokens.get(at + 1))
            {
                let modules = if is_test_only(tokens, at) {
                    &mut self.source.test_modules
                } else {
                    &mut self.source.modules
                };
                modules.insert(name.to_string());
            }
        }
    }

    /// Notes every `use`, but for those that are compiled for tests alone.
    fn imports(&mut self, tokens: &[TokenTree]) {
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) if is_seen(tokens, at) => {
                    self.imports(&group.stream().into_iter().collect::<Vec<_>>());
                }
                TokenTree::Ident(word) if *word == "use" && !is_test_only(tokens, at) => {
                    let line = word.span().start().line;
                    let end = tokens[at..].iter().position(|token| is_punct(token, ';'));
                    let tree = &tokens[at + 1..at + end.unwrap_or(1)];
                    let use_ = if is_public(tokens, at) {
                        Use::Export
                    } else {
                        Use::Import
                    };
                    for (path, name) in leaves(tree) {
                        self.import(path, name, line, use_);
                    }
                }
                _ => {}
            }
        }
    }

    fn import(&mut self, path: Vec<String>, name: Option<String>, line: usize, use_: Use) {
        let path = self.resolved(path);
        if path.last().is_some_and(|last| last == "*") {
            self.dodge(line, format!("{} hides what it names", path.join("::")));
        }
        // A macro of this file may: it ends with an underscore, where its own name is taken.
        let is_renamed = name.as_ref().is_some_and(|name| *name != path[0]);
        let is_crate = path.len() == 1 && !path[0].ends_with('_');
        if is_crate && (path[0] == "crate" || is_renamed) {
            self.dodge(line, format!("{} gets another name", path[0]));
        }
        if let Some(name) = name.or_else(|| path.last().cloned()) {
            self.source.imports.insert(name, path.clone());
        }
        self.source.names.push(Name { path, line, use_ });
    }

    fn dodge(&mut self, line: usize, what: String) {
        self.source.dodges.push((line, what));
    }

    /// Notes every path outside of a `use`.
    fn paths(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => {
                    if is_seen(tokens, at) {
                        self.attribute(tokens, at);
                        self.paths(&group.stream().into_iter().collect::<Vec<_>>());
                    }
                    at += 1;
                }
                TokenTree::Ident(word) if *word == "use" => {
                    let end = tokens[at..].iter().position(|token| is_punct(token, ';'));
                    at += end.unwrap_or(1);
                }
                TokenTree::Ident(first) => {
                    let line = first.span().start().line;
                    if *first == "extern" && is_ident_at(tokens, at + 1, "crate") {
                        self.dodge(line, "an extern crate gets another name".to_owned());
                    }
                    let is_include = first.to_string().starts_with("include");
                    if is_include && tokens.get(at + 1).is_some_and(|next| is_punct(next, '!')) {
                        self.include(tokens, at, line);
                    }
                    let (path, next) = path_at(tokens, at);
                    if path.len() > 1 {
                        let path = self.resolved(path);
                        let use_ = Use::Inline;
                        self.source.names.push(Name { path, line, use_ });
                    }
                    at = next;
                }
                _ => at += 1,
            }
        }
    }

    fn attribute(&mut self, tokens: &[TokenTree], at: usize) {
        if let TokenTree::Group(group) = &tokens[at] {
            let first = group.stream().into_iter().next();
            let is_path = first.is_some_and(|first| is_ident(&first, "path"));
            if group.delimiter() == Delimiter::Bracket && is_path {
                let line = group.span_open().start().line;
                self.dodge(line, "#[path] takes a file from elsewhere".to_owned());
            }
        }
    }

    fn include(&mut self, tokens: &[TokenTree], at: usize, line: usize) {
        let what = tokens.get(at + 2).map(ToString::to_string);
        // A page may show an example.
        let is_source = |what: String| what.contains(".rs\"") && !what.contains("../examples/");
        if is_ident(&tokens[at], "include") || what.is_some_and(is_source) {
            self.dodge(line, "include! takes code from elsewhere".to_owned());
        }
    }

    /// A path in full.
    fn resolved(&self, path: Vec<String>) -> Vec<String> {
        let root = || vec!["crate".to_owned()];
        let ups = path.iter().skip_while(|part| *part == "self");
        let ups = ups.take_while(|part| *part == "super").count();
        match path[0].as_str() {
            "self" | "super" => {
                let own = path.iter().take_while(|part| *part == "self").count();
                let parent = &self.module[..self.module.len().saturating_sub(ups)];
                [root(), parent.to_vec(), path[own + ups..].to_vec()].concat()
            }
            first if self.source.modules.contains(first) => {
                [root(), self.module.clone(), path].concat()
            }
            first => match self.source.imports.get(first) {
                Some(bound) if path.len() > 1 => [bound.clone(), path[1..].to_vec()].concat(),
                _ => path,
            },
        }
    }
}

/// The path that begins with an identifier, and what comes next.
fn path_at(tokens: &[TokenTree], at: usize) -> (Vec<String>, usize) {
    let mut path = vec![plain(&tokens[at])];
    let mut next = at + 1;
    while is_path_separator(tokens, next) {
        match tokens.get(next + 2) {
            Some(TokenTree::Ident(_)) => path.push(plain(&tokens[next + 2])),
            _ => break,
        }
        next += 3;
    }
    (path, next)
}

/// The paths of a `use`, and what each is called if that is not its last part.
fn leaves(tree: &[TokenTree]) -> Vec<(Vec<String>, Option<String>)> {
    let mut path = Vec::new();
    for (at, token) in tree.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if *word == "as" => {
                let name = tree.get(at + 1).map(plain);
                return vec![(without_self(path), name)];
            }
            TokenTree::Ident(_) => path.push(plain(token)),
            TokenTree::Punct(star) if star.as_char() == '*' => path.push("*".to_owned()),
            TokenTree::Group(group) => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                let parts = inner.split(|token| is_punct(token, ','));
                let parts = parts.filter(|part| !part.is_empty()).flat_map(leaves);
                let below = |(rest, name): (Vec<String>, Option<String>)| {
                    (without_self([path.clone(), rest].concat()), name)
                };
                return parts.map(below).collect();
            }
            _ => {}
        }
    }
    vec![(path, None)]
}

/// `a::{self}` is `a`.
fn without_self(mut path: Vec<String>) -> Vec<String> {
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    path
}

/// An identifier, raw or not.
fn plain(token: &TokenTree) -> String {
    let text = token.to_string();
    text.strip_prefix("r#").unwrap_or(&text).to_owned()
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if *ident == name)
}

fn is_ident_at(tokens: &[TokenTree], at: usize, name: &str) -> bool {
    tokens.get(at).is_some_and(|token| is_ident(token, name))
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

/// Whether a `use` is `pub`, to whatever extent.
fn is_public(tokens: &[TokenTree], use_at: usize) -> bool {
    match use_at.checked_sub(1).map(|at| &tokens[at]) {
        Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Parenthesis,
        before => before.is_some_and(|token| is_ident(token, "pub")),
    }
}

/// Whether a group is to be looked into: `pub(super)` names nothing that is used, and what is compiled for
/// tests alone may name what it likes.
fn is_seen(tokens: &[TokenTree], at: usize) -> bool {
    let is_scope = at > 0 && is_ident(&tokens[at - 1], "pub") && is_scope(&tokens[at]);
    let is_test = at >= 2 && is_ident(&tokens[at - 2], "mod") && is_test_only(tokens, at - 2);
    !is_scope && !is_test
}

fn is_scope(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else {
        return false;
    };
    let first = group.stream().into_iter().next();
    let words = ["crate", "super", "self", "in"];
    let is_word = |first: TokenTree| words.iter().any(|word| is_ident(&first, word));
    let parts = group.stream().into_iter().count();
    first.is_some_and(|first| (parts == 1 || is_ident(&first, "in")) && is_word(first))
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
