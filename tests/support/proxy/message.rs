//! An HTTP/1.1 message, as far as a proxy has to know it.

use std::io::{self, BufRead, Read};

/// A request or a reply, whole.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The first line, without its end.
    pub start: Vec<u8>,
    /// Names as they came. Values need not be text.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Message {
    /// Makes a reply.
    pub fn reply(status: u16, headers: &[(&str, &str)], body: Vec<u8>) -> Message {
        let owned = |(name, value): &(&str, &str)| (String::from(*name), Vec::from(*value));
        let mut reply = Message {
            start: format!("HTTP/1.1 {status} Scripted").into_bytes(),
            headers: headers.iter().map(owned).collect(),
            body: Vec::new(),
        };
        reply.set_body(body);
        reply
    }

    /// Reads a request; there is none when the connection ends before its first byte.
    pub fn read_request(from: &mut impl BufRead) -> io::Result<Option<Message>> {
        if from.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut request = Message::read_head(from)?;
        let length = request.length().unwrap_or(0);
        request.body = read_exactly(from, length)?;
        Ok(Some(request))
    }

    /// Reads the reply to a request of this method.
    pub fn read_reply(from: &mut impl BufRead, method: &str) -> io::Result<Message> {
        let mut reply = Message::read_head(from)?;
        let has_body = method != "HEAD" && !matches!(reply.status(), Some(204 | 304));
        if !has_body {
            return Ok(reply);
        }
        let body = match reply.length() {
            Some(length) => read_exactly(from, length)?,
            None if reply.header("transfer-encoding").is_some() => read_chunks(from)?,
            None => {
                let mut rest = Vec::new();
                from.read_to_end(&mut rest)?;
                rest
            }
        };
        reply.set_body(body);
        Ok(reply)
    }

    fn read_head(from: &mut impl BufRead) -> io::Result<Message> {
        let mut message = Message {
            start: read_line(from)?,
            ..Message::default()
        };
        loop {
            let line = read_line(from)?;
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                return Ok(message);
            };
            let name = String::from_utf8_lossy(&line[..colon]).into_owned();
            let value = line[colon + 1..].trim_ascii().to_vec();
            message.headers.push((name, value));
        }
    }

    /// The method of a request.
    pub fn method(&self) -> String {
        self.word(0)
    }

    /// What a request is about: its path, and query if there is one.
    pub fn target(&self) -> String {
        self.word(1)
    }

    /// The status of a reply.
    pub fn status(&self) -> Option<u16> {
        self.word(1).parse().ok()
    }

    fn word(&self, place: usize) -> String {
        let start = String::from_utf8_lossy(&self.start);
        start.split(' ').nth(place).unwrap_or_default().to_owned()
    }

    /// The value of a header, if that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    fn length(&self) -> Option<usize> {
        self.header("content-length")?.parse().ok()
    }

    /// Takes a header away.
    pub fn remove(&mut self, name: &str) {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    /// Sets a header, whose value need not be text.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.into()));
    }

    /// Sets the body, and says how long it is.
    pub fn set_body(&mut self, body: Vec<u8>) {
        self.remove("transfer-encoding");
        self.set("content-length", body.len().to_string());
        self.body = body;
    }

    /// The message as it is sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.start.clone();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
        }
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn read_line(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_ascii_end().to_vec())
}

fn read_exactly(from: &mut impl BufRead, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = String::from_utf8_lossy(&read_line(from)?).into_owned();
        let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        body.extend(read_exactly(from, size)?);
        // The end of the chunk; after the last one, of the whole, as nobody sends trailers here.
        read_line(from)?;
        if size == 0 {
            return Ok(body);
        }
    }
}
