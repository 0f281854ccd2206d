//! A server that others wrote and that no lock can be kept on: `s3s-fs` compares, and writes later.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

use hyper_util::rt::TokioIo;
use hyper1::server::conn::http1;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::runtime::{self, Runtime};

use super::{ACCESS_KEY, BUCKET, SECRET_KEY};

/// An `s3s-fs` on the loopback with an empty [`BUCKET`] in a folder of its own, until it is dropped.
pub struct FileStore {
    address: SocketAddr,
    folder: PathBuf,
    runtime: Option<Runtime>,
}

impl FileStore {
    /// Starts one.
    pub fn start() -> FileStore {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("s3-lock-files-{}-{number}", process::id()));
        fs::create_dir_all(folder.join(BUCKET)).expect("there is room for a folder");
        let files = FileSystem::new(&folder).expect("the folder is there");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();

        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let told = listener.set_nonblocking(true);
        told.expect("a listening socket can be set non-blocking");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("the system can start two more threads");
        runtime.spawn(accept_all(listener, service));
        FileStore {
            address,
            folder,
            runtime: Some(runtime),
        }
    }

    /// Returns its URL, without a trailing slash.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        // What a request under way still writes stays in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

async fn accept_all(listener: TcpListener, service: S3Service) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("the socket is non-blocking");
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let service = service.clone();
        tokio::spawn(async move {
            let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = serving.await;
        });
    }
}
