//! Asks a proxy for a tunnel to a host (CONNECT). Afterwards the stream is one to that host.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::store::s3::network::connect_error::ConnectError;
use crate::store::s3::network::tunnel_reply::{LONGEST_HEAD, Tunnel, TunnelReply};
use crate::store::s3::settings::proxy::one_proxy::Proxy;

/// Asks the proxy at the other end of a stream to connect it to the host and port `to`.
pub(super) async fn open<S>(stream: &mut S, to: &str, proxy: &Proxy) -> Result<(), ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let tunnel = Tunnel { to, proxy };
    let broken = |error: io::Error| tunnel.failed(&format!("broke the connection off ({error})"));
    stream.write_all(&request(tunnel)).await.map_err(broken)?;
    // With TLS to the proxy, what was written may still wait for more.
    stream.flush().await.map_err(broken)?;
    let mut bytes = Vec::new();
    let reply = loop {
        let mut chunk = [0; 1 << 10];
        let count = stream.read(&mut chunk).await.map_err(broken)?;
        if count == 0 {
            return Err(tunnel.failed(&format!(
                "closed the connection instead of connecting to {to}"
            )));
        }
        bytes.extend_from_slice(&chunk[..count]);
        let parsed = TunnelReply::take(&mut bytes);
        let parsed = parsed.map_err(|error| {
            tunnel.failed(&format!(
                "answered with something that is not HTTP ({error})"
            ))
        })?;
        if let Some(reply) = parsed {
            break reply;
        }
        if bytes.len() > LONGEST_HEAD {
            let what = format!(
                "answered with a head of more than {} KiB",
                LONGEST_HEAD >> 10
            );
            return Err(tunnel.failed(&what));
        }
    };
    reply.outcome(tunnel, &bytes)
}

fn request(Tunnel { to, proxy }: Tunnel<'_>) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let mut bytes =
        format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: s3-lock/{version}\r\n")
            .into_bytes();
    if let Some(value) = proxy.authorization() {
        bytes.extend_from_slice(b"Proxy-Authorization: ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}
