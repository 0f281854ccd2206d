//! Reads XML. rusoto's readers panic on a malformed number, and take an unknown element for an
//! empty reply.

use xml::reader::{EventReader, ParserConfig2, XmlEvent};

/// More levels than AWS nests in what is read here.
const DEEPEST: usize = 16;

/// The texts of a document.
#[derive(Debug, Default)]
pub(crate) struct Document {
    root: String,
    /// For each element: the local names from the root down to it, with a slash before each, and
    /// its text.
    texts: Vec<(String, String)>,
}

impl Document {
    /// Reads a whole document whose root has this name, in any namespace.
    pub(crate) fn read(xml: &[u8], root: &str) -> Option<Document> {
        let mut document = Document::default();
        let is_whole = document.take_in(xml).is_some();
        (is_whole && document.root == root).then_some(document)
    }

    /// Reads a document up to its end, or up to where it is no longer XML.
    pub(crate) fn read_start(xml: &[u8]) -> Document {
        let mut document = Document::default();
        // Nothing shows that there is more which cannot be read.
        let _ = document.take_in(xml);
        document
    }

    fn take_in(&mut self, xml: &[u8]) -> Option<()> {
        let (mut path, mut text) = (Vec::new(), String::new());
        let one_root = ParserConfig2::new().allow_multiple_root_elements(false);
        for event in EventReader::new_with_config(xml, one_root) {
            match event.ok()? {
                XmlEvent::StartElement { name, .. } => {
                    if path.is_empty() {
                        self.root.clone_from(&name.local_name);
                    }
                    path.push(name.local_name);
                    text.clear();
                    if path.len() > DEEPEST {
                        return None;
                    }
                }
                XmlEvent::Characters(more) | XmlEvent::CData(more) | XmlEvent::Whitespace(more) => {
                    text.push_str(&more);
                }
                XmlEvent::EndElement { .. } => {
                    if !text.trim().is_empty() {
                        let place = format!("/{}", path.join("/"));
                        self.texts.push((place, std::mem::take(&mut text)));
                    }
                    path.pop();
                }
                _ => {}
            }
        }
        Some(())
    }

    /// The texts of all elements at this path.
    pub(crate) fn all<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a str> {
        let there = self.texts.iter().filter(move |(place, _)| place == path);
        there.map(|(_, text)| text.as_str())
    }

    /// The text of the first element at this path.
    pub(crate) fn first(&self, path: &str) -> Option<String> {
        self.all(path).next().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(xml: &str) -> Option<Vec<String>> {
        let document = Document::read(xml.as_bytes(), "L")?;
        Some(document.all("/L/C/K").map(str::to_owned).collect())
    }

    #[test]
    fn texts_are_found_by_their_path_whatever_stands_around_them() {
        let xml = "<?xml version=\"1.0\"?>\n<L xmlns=\"x\"> <K>no</K>\n<C><K> a&amp;<![CDATA[<b>]]></K>\
                   <S>1</S></C><!-- c --><C/><C><K>d</K></C></L>";
        assert_eq!(keys(xml).unwrap(), [" a&<b>", "d"]);
    }

    #[test]
    fn what_is_not_whole_or_has_another_root_is_refused() {
        for xml in [
            "",
            "{}",
            "<L>",
            "<L><C></L>",
            "<M/>",
            "<html>",
            "<L/><L/>",
            "<L>&nbsp;</L>",
        ] {
            assert_eq!(keys(xml), None, "{xml}");
        }
    }

    #[test]
    fn entities_do_not_explode() {
        let mut xml = "<!DOCTYPE L [<!ENTITY e0 \"ha\">".to_owned();
        for n in 1..30 {
            let m = n - 1;
            xml += &format!("<!ENTITY e{n} \"&e{m};&e{m};&e{m};&e{m};\">");
        }
        assert_eq!(keys(&format!("{xml}]><L><C><K>&e29;</K></C></L>")), None);
    }

    #[test]
    fn the_start_of_a_document_is_read_to_where_it_is_no_longer_xml() {
        for rest in ["", "<D>&nbsp;</D></L>", "</L><L/>", "<D>\u{1}</D></L>"] {
            let xml = format!("<L><C><K>a</K></C>{rest}");
            let document = Document::read_start(xml.as_bytes());
            assert_eq!(document.first("/L/C/K").as_deref(), Some("a"), "{rest}");
        }
    }

    #[test]
    fn depth_is_limited() {
        assert_eq!(keys(&"<L>".repeat(100_000)), None);
    }
}
