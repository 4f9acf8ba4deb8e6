//! The one error of a parameter out of its bounds. Every parameter set is checked once, in its `new`;
//! its fields are private, so whoever holds one need not check it again.

/// A parameter is outside its bounds: `als.rank is 0, expected 1 to 512`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {found}, expected {expected}")]
pub struct BadParam {
    /// Dotted key as it stands in the configuration.
    pub key: &'static str,
    /// What was found there.
    pub found: String,
    /// What would have been accepted.
    pub expected: &'static str,
}

/// Hands `value` through if `ok`, else says what was expected.
pub(crate) fn check<T: ToString>(
    key: &'static str,
    value: T,
    ok: bool,
    expected: &'static str,
) -> Result<T, BadParam> {
    if ok { Ok(value) } else { Err(BadParam { key, found: value.to_string(), expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_key_value_and_bound() {
        let error = check("als.rank", 0, false, "1 to 512").unwrap_err();
        assert_eq!(error.to_string(), "als.rank is 0, expected 1 to 512");
        assert_eq!(check("als.rank", 3, true, "1 to 512"), Ok(3));
    }
}
