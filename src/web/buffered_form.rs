//! The part of a form that was read, for the handler: in memory, or in a temporary file if it is large.

use std::{io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::spool::Spool;
use crate::{
    error::{Error, FormError},
    room::{Room, Taken},
    site::DjangoSite,
};

/// How much memory is taken at once: many small allocations would take many times as much.
const BLOCK: usize = 16 << 10;

/// The beginning of a form. Its memory and disk space count against the site's limits until they are freed,
/// also while a handler has the form.
pub(crate) struct BufferedForm {
    blocks: Vec<Block>,
    /// If there is a file, all bytes are in it.
    spool: Option<Spool>,
    /// How many bytes were read.
    len: u64,
    /// The `Content-Length` of the form, if it has one.
    length: Option<u64>,
    /// How many bytes may be in memory.
    window: u64,
    memory: Room,
    disk: Room,
    dir: Option<PathBuf>,
}

/// A part of the form in memory.
struct Block {
    bytes: Vec<u8>,
    _taken: Taken,
}

impl BufferedForm {
    pub(crate) fn new(site: &DjangoSite, length: Option<u64>, window: u64) -> Self {
        Self {
            blocks: Vec::new(),
            spool: None,
            len: 0,
            length,
            window,
            memory: site.form_memory().clone(),
            disk: site.form_spool().clone(),
            dir: site.settings().file_upload_temp_dir.clone(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn is_spooled(&self) -> bool {
        self.spool.is_some()
    }

    /// Adds the next piece.
    ///
    /// # Errors
    /// [`Error::TooManyForms`] or [`FormError::ExceedsSpool`] if neither memory nor disk has room;
    /// [`Error::FormSpool`] if the disk fails.
    pub(crate) async fn push(&mut self, piece: &Bytes) -> Result<(), Error> {
        self.len += piece.len() as u64;
        let in_memory = match self.spool {
            None => self.fill_memory(piece),
            Some(_) => 0,
        };
        if in_memory == piece.len() {
            return Ok(());
        }
        let blocks = self.blocks.drain(..).map(Bytes::from);
        let pieces: Vec<_> = blocks.chain([piece.slice(in_memory..)]).collect();
        let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
        let spool = match self.spool.take() {
            Some(spool) => spool.grown(bytes),
            None => match self.disk.take(bytes) {
                Some(taken) => Some(Spool::new(self.dir.clone(), taken).await.map_err(failed)?),
                None => None,
            },
        };
        let spool = spool.ok_or_else(|| self.no_room())?;
        self.spool = Some(spool.write(pieces).await.map_err(failed)?);
        Ok(())
    }

    /// Puts as much of a piece into memory as there is room for, and returns how many bytes.
    fn fill_memory(&mut self, piece: &[u8]) -> usize {
        let mut rest = piece;
        while !rest.is_empty() && self.len <= self.window {
            let space = |block: &Block| block.bytes.capacity() - block.bytes.len();
            if self.blocks.last().is_none_or(|block| space(block) == 0) {
                let to_come = self.length.map(|length| length.saturating_sub(self.len));
                let to_come =
                    to_come.map_or(BLOCK, |bytes| usize::try_from(bytes).unwrap_or(BLOCK));
                let size = rest.len().saturating_add(to_come).min(BLOCK);
                let Some(taken) = self.memory.take(size as u64) else { break };
                self.blocks.push(Block { bytes: Vec::with_capacity(size), _taken: taken });
            }
            if let Some(block) = self.blocks.last_mut() {
                let (fits, behind) = rest.split_at(rest.len().min(space(block)));
                block.bytes.extend_from_slice(fits);
                rest = behind;
            }
        }
        piece.len() - rest.len()
    }

    fn no_room(&self) -> Error {
        match self.len > self.window.max(self.disk.most()) {
            true => Error::BadForm(FormError::ExceedsSpool),
            false => Error::TooManyForms,
        }
    }

    /// All bytes, in order.
    pub(crate) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> {
        let blocks = self.blocks.into_iter().map(|block| Ok(Bytes::from(block)));
        stream::iter(blocks).chain(stream::iter(self.spool).flat_map(|spool| spool.read().boxed()))
    }
}

impl From<Block> for Bytes {
    fn from(block: Block) -> Self {
        Self::from_owner(block)
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn failed(error: io::Error) -> Error {
    Error::FormSpool(Arc::new(error))
}
