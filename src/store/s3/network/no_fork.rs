//! Keeps the process from forking while a thread is inside OpenSSL. OpenSSL sets itself up once,
//! and has locks for the whole process. A child that was forked in between could wait for such a
//! lock for ever.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::client::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::sys::forks::Section;

/// A future or a connection. No fork happens during one of its polls, or while it is dropped.
pub(crate) struct NoFork<T> {
    /// Present until it is dropped.
    inner: Option<T>,
    /// Without TLS, a fork has nothing to interrupt, so there is nothing to wait for.
    is_tls: bool,
    /// Whether a proxy reads the requests on it. They have to say where they go.
    is_forwarded: bool,
}

impl<T> NoFork<T> {
    pub(crate) fn new(inner: T, is_tls: bool) -> NoFork<T> {
        NoFork {
            inner: Some(inner),
            is_tls,
            is_forwarded: false,
        }
    }

    /// The same as a connection to a proxy, which reads the requests.
    pub(crate) fn of_forwarding_proxy(mut self) -> NoFork<T> {
        self.is_forwarded = true;
        self
    }
}

impl<T: Unpin> NoFork<T> {
    fn step<R>(&mut self, step: impl FnOnce(Pin<&mut T>) -> R) -> R {
        let _section = self.is_tls.then(Section::begin);
        let inner = self.inner.as_mut();
        step(Pin::new(inner.expect("it is there until it is dropped")))
    }
}

impl<T> Drop for NoFork<T> {
    fn drop(&mut self) {
        let _section = self.is_tls.then(Section::begin);
        self.inner = None;
    }
}

impl<F: Future + Unpin> Future for NoFork<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.step(|future| future.poll(context))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for NoFork<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.step(|stream| stream.poll_read(context, buffer))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for NoFork<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.step(|stream| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.step(|stream| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.as_ref().is_some_and(S::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.step(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.step(|stream| stream.poll_shutdown(context))
    }
}

impl<S: Connection> Connection for NoFork<S> {
    fn connected(&self) -> Connected {
        let stream = self.inner.as_ref();
        let connected = stream.map_or_else(Connected::new, S::connected);
        connected.proxy(self.is_forwarded)
    }
}
