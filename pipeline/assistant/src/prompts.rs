//! The prompts: files with versions. A changed text is a new file with a new version, so that a recorded version says what was sent.

/// A prompt as it is sent, and the name that records carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prompt {
    pub version: &'static str,
    pub text: &'static str,
}

/// Puts facts into words.
pub const REPLY: Prompt = Prompt { version: "reply.v1", text: include_str!("../prompts/reply.v1.txt") };
/// Reads a message.
pub const UNDERSTAND: Prompt =
    Prompt { version: "understand.v1", text: include_str!("../prompts/understand.v1.txt") };

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    #[test]
    fn a_version_is_one_text_for_ever() {
        for (prompt, hash) in [(REPLY, REPLY_HASH), (UNDERSTAND, UNDERSTAND_HASH)] {
            let found = xxh3_64(prompt.text.as_bytes());
            assert_eq!(found, hash, "{} was changed to {found:#x}: give it a new version", prompt.version);
        }
    }

    const REPLY_HASH: u64 = 0x9d07_d663_5f2f_fdcb;
    const UNDERSTAND_HASH: u64 = 0x2556_0a48_aed1_1c50;
}
