//! zlib streams, bounded.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Error;

thread_local! {
    // The tables and the window of an inflater take some 40 kB, so it is kept between requests.
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(true));
}

/// `zlib.decompress(data)`, but at most `limit` bytes of it.
///
/// Data after the end of the stream is ignored, as in Python.
pub(super) fn decompress(data: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    INFLATE.with_borrow_mut(|inflate| {
        inflate.reset(true);
        // One byte more than the limit shows whether the stream exceeds it.
        let ceiling = limit.saturating_add(1);
        let mut output = Vec::with_capacity(data.len().saturating_mul(4).clamp(64, 1 << 16));
        let mut rest = data;
        loop {
            let before = inflate.total_in();
            let status = inflate
                .decompress_vec(rest, &mut output, FlushDecompress::Finish)
                .map_err(|_| Error::BadZlib)?;
            if output.len() > limit {
                return Err(Error::TooLarge { limit });
            }
            if status == Status::StreamEnd {
                return Ok(output);
            }
            if output.len() < output.capacity() {
                // The output had room, so the input ended too early.
                return Err(Error::BadZlib);
            }
            rest = &rest[(inflate.total_in() - before) as usize..];
            output.reserve_exact(output.len().min(ceiling - output.len()));
        }
    })
}

/// `zlib.compress(data)` at its default level, if that saves as much as Django requires.
pub(super) fn compress(data: &[u8]) -> Option<Vec<u8>> {
    // Django: `len(compressed) < len(data) - 1`. A stream that does not fit is not used.
    let longest = data.len().checked_sub(2)?;
    let mut output = Vec::with_capacity(longest);
    let status = Compress::new(Compression::new(6), true)
        .compress_vec(data, &mut output, FlushCompress::Finish)
        .ok()?;
    (status == Status::StreamEnd && output.len() <= longest).then_some(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: usize = usize::MAX;

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut output = Vec::with_capacity(data.len() + 64);
        Compress::new(Compression::new(6), true)
            .compress_vec(data, &mut output, FlushCompress::Finish)
            .unwrap();
        output
    }

    #[test]
    fn compression_must_save_two_bytes() {
        let json = |n: usize| format!("\"{}\"", "a".repeat(n));
        assert_eq!(compress(json(11).as_bytes()), None);
        let z = compress(json(12).as_bytes()).unwrap();
        assert_eq!(z.len(), 12);
        assert_eq!(decompress(&z, ANY).unwrap(), json(12).as_bytes());
        for n in 0..40 {
            let json = json(n);
            let saves = zlib(json.as_bytes()).len() < json.len() - 1;
            assert_eq!(compress(json.as_bytes()).is_some(), saves, "{n}");
        }
        assert_eq!(compress(b""), None);
    }

    #[test]
    fn what_follows_the_stream_is_ignored() {
        let mut two = zlib(b"one");
        two.extend(zlib(b"two"));
        assert_eq!(decompress(&two, ANY).unwrap(), b"one");
        two.truncate(zlib(b"one").len() + 1);
        assert_eq!(decompress(&two, ANY).unwrap(), b"one");
    }

    #[test]
    fn anything_but_a_whole_zlib_stream_is_an_error() {
        let whole = zlib(b"a text, a text, a text");
        for length in 0..whole.len() {
            assert_eq!(decompress(&whole[..length], ANY), Err(Error::BadZlib));
        }
        let mut bad_adler = whole.clone();
        *bad_adler.last_mut().unwrap() ^= 1;
        let raw = &whole[2..whole.len() - 4];
        let gzip = [b"\x1f\x8b\x08\0\0\0\0\0\0\x03", raw].concat();
        // CMF, FLG with FDICT, then the dictionary's checksum.
        let preset_dictionary = [b"\x78\xbb\0\0\0\x01", raw].concat();
        for bad in [&bad_adler[..], raw, &gzip, &preset_dictionary] {
            assert_eq!(decompress(bad, ANY), Err(Error::BadZlib));
        }
        // The state that is kept survives all these errors.
        assert_eq!(decompress(&whole, ANY).unwrap(), b"a text, a text, a text");
    }

    #[test]
    fn the_limit_counts_output_and_is_an_error_of_its_own() {
        for size in [0, 1, 63, 64, 65, 255, 1000, 100_000] {
            let data = vec![b'x'; size];
            let z = zlib(&data);
            assert_eq!(decompress(&z, size).unwrap(), data);
            assert_eq!(decompress(&z, size + 1).unwrap(), data);
            if let Some(limit) = size.checked_sub(1) {
                assert_eq!(decompress(&z, limit), Err(Error::TooLarge { limit }));
            }
        }
    }

    #[test]
    fn a_bomb_is_given_up_at_the_limit() {
        let z = zlib(&vec![0; 50 << 20]);
        let limit = 1 << 20;
        assert_eq!(decompress(&z, limit), Err(Error::TooLarge { limit }));
    }
}
