//! A temporary file in which a form waits until its token was found: Django's
//! `TemporaryFileUploadHandler`.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::PathBuf,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::task::spawn_blocking;

use crate::room::Taken;

/// How much is read at once.
const PIECE: u64 = 32 << 10;

/// A file without a name: it is gone when this is dropped, or the process ends.
pub(crate) struct Spool {
    file: File,
    /// The disk space that its bytes take.
    taken: Taken,
}

impl Spool {
    /// An empty file, for as many bytes as `taken`.
    pub(crate) async fn new(dir: Option<PathBuf>, taken: Taken) -> io::Result<Self> {
        blocking(move || {
            let file = match dir {
                Some(dir) => tempfile::tempfile_in(dir),
                None => tempfile::tempfile(),
            };
            Ok(Self { file: file?, taken })
        })
        .await
    }

    /// The same file with room for more bytes, if there is room.
    pub(crate) fn grown(mut self, bytes: u64) -> Option<Self> {
        self.taken.grow(bytes).then_some(self)
    }

    pub(crate) async fn write(mut self, pieces: Vec<Bytes>) -> io::Result<Self> {
        blocking(move || {
            pieces.iter().try_for_each(|piece| self.file.write_all(piece))?;
            Ok(self)
        })
        .await
    }

    /// Its bytes, from the beginning.
    pub(crate) fn read(self) -> impl Stream<Item = io::Result<Bytes>> {
        stream::try_unfold((self, 0), |(mut spool, at)| async move {
            let left = spool.taken.bytes() - at;
            if left == 0 {
                return Ok(None);
            }
            let piece = left.min(PIECE);
            let read = blocking(move || {
                let mut bytes = vec![0; usize::try_from(piece).map_err(io::Error::other)?];
                spool.file.seek(SeekFrom::Start(at))?;
                spool.file.read_exact(&mut bytes)?;
                Ok((Bytes::from(bytes), spool))
            });
            let (bytes, spool) = read.await?;
            Ok(Some((bytes, (spool, at + piece))))
        })
    }
}

/// Runs on a blocking thread, because a disk may be slow and the worker has other requests.
async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(f).await.unwrap_or_else(|failed| Err(io::Error::other(failed)))
}
