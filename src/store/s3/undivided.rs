//! What a fork must not divide: OpenSSL, which sets itself up once and has locks of its own for the whole
//! process. A child that was forked while a thread was inside it could wait there for ever.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::client::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::sys::forks::Section;

/// A future, each step of which no fork divides, nor its end where it is dropped on the way.
pub(crate) struct Steps<F> {
    /// There until it is dropped.
    future: Option<Pin<Box<F>>>,
}

impl<F> Steps<F> {
    pub(crate) fn of(future: F) -> Steps<F> {
        Steps {
            future: Some(Box::pin(future)),
        }
    }
}

impl<F: Future> Future for Steps<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _section = Section::begin();
        let future = self.future.as_mut();
        let future = future.expect("it is there until it is dropped");
        future.as_mut().poll(context)
    }
}

impl<F> Drop for Steps<F> {
    fn drop(&mut self) {
        let _section = Section::begin();
        self.future = None;
    }
}

/// A connection that no fork finds inside OpenSSL, or half taken apart.
pub(crate) struct Undivided<S> {
    /// There until it is dropped.
    stream: Option<S>,
    /// Without TLS there is nothing that a fork could divide, and so nothing to wait for.
    is_tls: bool,
}

impl<S: Unpin> Undivided<S> {
    pub(crate) fn new(stream: S, is_tls: bool) -> Undivided<S> {
        Undivided {
            stream: Some(stream),
            is_tls,
        }
    }

    fn within<T>(&mut self, call: impl FnOnce(Pin<&mut S>) -> T) -> T {
        let _section = self.is_tls.then(Section::begin);
        let stream = self.stream.as_mut();
        call(Pin::new(stream.expect("it is there until it is dropped")))
    }
}

impl<S> Drop for Undivided<S> {
    fn drop(&mut self) {
        let _section = self.is_tls.then(Section::begin);
        self.stream = None;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Undivided<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.within(|stream| stream.poll_read(context, buffer))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Undivided<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.within(|stream| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.within(|stream| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(S::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.within(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.within(|stream| stream.poll_shutdown(context))
    }
}

impl<S: Connection> Connection for Undivided<S> {
    fn connected(&self) -> Connected {
        let stream = self.stream.as_ref();
        stream.map_or_else(Connected::new, S::connected)
    }
}
