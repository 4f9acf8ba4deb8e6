//! Lines of a file, plain or packed (told by its first bytes, not by its name), none held longer than its bound.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// A row longer than an event may be is no row: the same bound as the wire's.
pub(crate) const LINE_BYTES_MAX: usize = shoptide_schemas::limits::EVENT_BYTES_MAX;
/// One system call a so many bytes.
const READ_BYTES: usize = 256 * 1024;
/// 2^27 bytes, the most that zstd's own tool uses without being told to.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What a call to [`Lines::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The line lies in the buffer, without its end.
    Whole,
    /// It had more than [`LINE_BYTES_MAX`] bytes and was skipped.
    TooLong,
    End,
}

/// Reads lines and counts them.
pub(crate) struct Lines {
    input: Box<dyn BufRead + Send>,
    number: u64,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Lines {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(READ_BYTES, File::open(path)?);
        let head = file.fill_buf()?;
        let (gzip, zstd) = (head.starts_with(&GZIP_MAGIC), head.starts_with(&ZSTD_MAGIC));
        let input: Box<dyn BufRead + Send> = if gzip {
            Box::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(file)))
        } else if zstd {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(BufReader::with_capacity(READ_BYTES, decoder))
        } else {
            Box::new(file)
        };
        Ok(Self { input, number: 0 })
    }

    /// The number of the line last returned, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Reads the next line into `line`, which is cleared first.
    pub(crate) fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Line> {
        line.clear();
        // Room for the line's end, so that a line of exactly the bound is whole.
        let bound = LINE_BYTES_MAX as u64 + 2;
        let read = self.input.by_ref().take(bound).read_until(b'\n', line)?;
        if read == 0 {
            return Ok(Line::End);
        }
        self.number += 1;
        let ended = line.last() == Some(&b'\n');
        if ended {
            line.pop();
        } else if read as u64 == bound {
            self.skip_line()?;
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if LINE_BYTES_MAX < line.len() {
            line.clear();
            return Ok(Line::TooLong);
        }
        if self.number == 1 && line.starts_with(&BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Line::Whole)
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let held = self.input.fill_buf()?;
            if held.is_empty() {
                return Ok(());
            }
            let (used, ended) = match held.iter().position(|b| *b == b'\n') {
                Some(place) => (place + 1, true),
                None => (held.len(), false),
            };
            self.input.consume(used);
            if ended {
                return Ok(());
            }
        }
    }
}
