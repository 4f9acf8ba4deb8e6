//! A keep-alive HTTP/1.1 client that costs next to nothing: producer and server share the cores that are measured.

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes of an answer's head; ours have some 200.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an answer; verdicts of 1,000 events have some 120 KiB, `/metrics` some 50.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: String,
    request: Vec<u8>,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    /// # Errors
    /// If nobody listens.
    pub async fn open(host: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(host).await.with_context(|| format!("connecting to {host}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: host.to_owned(), request: Vec::new(), buffer: vec![0; 32 * 1024], filled: 0 })
    }

    /// # Errors
    /// If the connection breaks or the answer is none.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<(u16, &[u8])> {
        self.request.clear();
        self.request
            .extend_from_slice(format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host).as_bytes());
        self.exchange().await
    }

    /// # Errors
    /// As [`Connection::get`].
    pub async fn post(&mut self, path: &str, body: &[u8]) -> anyhow::Result<(u16, &[u8])> {
        self.request.clear();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body);
        self.exchange().await
    }

    async fn exchange(&mut self) -> anyhow::Result<(u16, &[u8])> {
        self.stream.write_all(&self.request).await?;
        self.filled = 0;
        let (head, status, length) = loop {
            self.read_more().await?;
            if let Some(found) = head_of(self.buffer.get(..self.filled).unwrap_or_default())? {
                break found;
            }
            if HEAD_BYTES_MAX < self.filled {
                bail!("an answer's head of over {HEAD_BYTES_MAX} bytes");
            }
        };
        while self.filled < head + length {
            self.read_more().await?;
        }
        Ok((status, self.buffer.get(head..head + length).unwrap_or_default()))
    }

    async fn read_more(&mut self) -> anyhow::Result<()> {
        if self.filled == self.buffer.len() {
            if BODY_BYTES_MAX < self.filled {
                bail!("an answer of over {BODY_BYTES_MAX} bytes");
            }
            self.buffer.resize(self.filled * 2, 0);
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(room).await? {
            0 => bail!("the server closed the connection"),
            n => self.filled += n,
        }
        Ok(())
    }
}

/// Bytes of the head, status, length of the body; none while the head is not complete.
fn head_of(bytes: &[u8]) -> anyhow::Result<Option<(usize, u16, usize)>> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
    let mut lines = head.split("\r\n");
    let status =
        lines.next().and_then(|l| l.split(' ').nth(1)?.parse().ok()).context("an answer without a status")?;
    let length = lines
        .filter_map(|l| l.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .context("an answer without a length")?;
    Ok(Some((end + 4, status, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_complete() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(head_of(&whole[..20]).unwrap(), None);
        assert_eq!(head_of(whole).unwrap(), Some((38, 200, 2)));
        assert!(head_of(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
