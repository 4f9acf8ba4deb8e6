//! Exact bytes at rest: little-endian LEB128 numbers and length-prefixed strings. The same value always gives the same
//! bytes, and whatever does not read back whole is an error, never a guess.

/// Why stored bytes cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    #[error("{what} has format {found}, expected at most {known}")]
    Format { what: &'static str, found: u8, known: u8 },
    #[error("{what} is cut short or damaged at byte {at}")]
    Damaged { what: &'static str, at: usize },
}

/// Appends values to bytes.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    pub fn with_format(format: u8) -> Self {
        Self(vec![format])
    }

    pub fn uint(&mut self, mut value: u64) {
        while 0x80 <= value {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Zigzag, so that small negative numbers stay small.
    pub fn int(&mut self, value: i64) {
        self.uint(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    pub fn bytes(&mut self, value: &[u8]) {
        self.uint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// Eight bytes as they are, for keys whose bits are all used.
    pub fn fixed(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn optional(&mut self, value: Option<&[u8]>) {
        self.uint(u64::from(value.is_some()));
        if let Some(value) = value {
            self.bytes(value);
        }
    }

    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what [`Writer`] wrote.
#[derive(Debug)]
pub struct Reader<'a> {
    what: &'static str,
    all: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// # Errors
    /// [`CodecError::Format`] if the first byte is no known format.
    pub fn new(what: &'static str, bytes: &'a [u8], known: u8) -> Result<Self, CodecError> {
        match bytes.split_first() {
            Some((format, rest)) if *format == known => Ok(Self { what, all: bytes.len(), rest }),
            Some((format, _)) => Err(CodecError::Format { what, found: *format, known }),
            None => Err(CodecError::Damaged { what, at: 0 }),
        }
    }

    pub fn damaged(&self) -> CodecError {
        CodecError::Damaged { what: self.what, at: self.all - self.rest.len() }
    }

    pub fn uint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or_else(|| self.damaged())?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.damaged())
    }

    pub fn int(&mut self) -> Result<i64, CodecError> {
        let value = self.uint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub fn u32(&mut self) -> Result<u32, CodecError> {
        let value = self.uint()?;
        u32::try_from(value).map_err(|_| self.damaged())
    }

    pub fn u8(&mut self) -> Result<u8, CodecError> {
        let value = self.uint()?;
        u8::try_from(value).map_err(|_| self.damaged())
    }

    /// A count of entries that each take at least one byte, so that damaged bytes cannot ask for gigabytes.
    pub fn count(&mut self) -> Result<usize, CodecError> {
        let value = self.uint()?;
        usize::try_from(value).ok().filter(|n| *n <= self.rest.len()).ok_or_else(|| self.damaged())
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let len = self.count()?;
        let (head, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(head)
    }

    pub fn text(&mut self) -> Result<String, CodecError> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.damaged())
    }

    pub fn fixed(&mut self) -> Result<u64, CodecError> {
        let (head, rest) = self.rest.split_first_chunk::<8>().ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*head))
    }

    pub fn optional(&mut self) -> Result<Option<&'a [u8]>, CodecError> {
        match self.uint()? {
            0 => Ok(None),
            1 => self.bytes().map(Some),
            _ => Err(self.damaged()),
        }
    }

    /// # Errors
    /// If bytes are left over.
    pub fn finish(self) -> Result<(), CodecError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged()) }
    }
}
