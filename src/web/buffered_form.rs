//! What was read of a form, for the handler: in memory, and from a certain size on in a temporary file.

use std::{io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::spool::Spool;
use crate::{
    auth::DjangoSite,
    error::{Error, FormError},
    room::{Room, Taken},
};

/// How much memory is taken at once. Many small pieces would take many times as much.
const BLOCK: usize = 16 << 10;

/// The beginning of a form. What it takes is counted for as long as it takes it: also while a handler
/// has it.
pub(crate) struct BufferedForm {
    blocks: Vec<Block>,
    /// Once this is there, all is in it.
    spool: Option<Spool>,
    /// How much there is.
    len: u64,
    /// How long the form says that it is.
    length: Option<u64>,
    /// How much of it may be in memory.
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

    /// Takes the next piece.
    ///
    /// # Errors
    /// If there is no room for it, neither in memory nor on the disk.
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

    /// Takes as much of a piece as there is room for in memory, and says how much that is.
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

    /// All that was taken.
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
