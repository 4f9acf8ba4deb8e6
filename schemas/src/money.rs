//! Money at rest is integers: micro-units, and a currency beside them. No float ever holds a price.

use std::fmt;

use crate::limits::DECIMAL_BYTES_MAX;
use crate::reject::{Code, Reject};

/// Millionths of a currency's main unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub i64);

/// Three capital letters, ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(pub [u8; 3]);

/// Nine digits before the point keep a price below 1e15 micro-units: 9,000 pieces of the dearest item fit `i64`, so
/// whoever multiplies by a quantity saturates.
pub const WHOLE_DIGITS_MAX: usize = 9;
const MICRO_DIGITS: usize = 6;

impl Micros {
    pub const PER_UNIT: i64 = 1_000_000;

    /// Reads a decimal such as `1299.00`: digits, at most one point, no sign, no exponent.
    ///
    /// # Errors
    /// [`Code::BadValue`] for anything else, [`Code::OutOfRange`] beyond 9 digits before or 6 after the point,
    /// [`Code::TooLong`] beyond 32 bytes.
    pub fn parse(text: &str, field: &'static str) -> Result<Self, Reject> {
        if DECIMAL_BYTES_MAX < text.len() {
            let message = format!("{field} has {} bytes, expected at most {DECIMAL_BYTES_MAX}", text.len());
            return Err(Reject::new(Code::TooLong, field, message));
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let pointless = text.contains('.') && fraction.is_empty();
        if whole.is_empty() || pointless || !digits(whole) || !digits(fraction) {
            let message = format!("{field} is not a decimal string of 0 or more, such as \"1299.00\"");
            return Err(Reject::new(Code::BadValue, field, message));
        }
        let whole = whole.trim_start_matches('0');
        if WHOLE_DIGITS_MAX < whole.len() || MICRO_DIGITS < fraction.trim_end_matches('0').len() {
            let message = format!(
                "{field} is out of range, expected at most {WHOLE_DIGITS_MAX} digits before and {MICRO_DIGITS} after the point"
            );
            return Err(Reject::new(Code::OutOfRange, field, message));
        }
        let mut micros = 0_i64;
        for digit in whole.bytes() {
            micros = micros * 10 + i64::from(digit - b'0');
        }
        micros *= Self::PER_UNIT;
        let mut unit = Self::PER_UNIT / 10;
        for digit in fraction.trim_end_matches('0').bytes() {
            micros += i64::from(digit - b'0') * unit;
            unit /= 10;
        }
        Ok(Self(micros))
    }
}

/// A sign, 13 digits, a point and 6 digits.
const TEXT_BYTES_MAX: usize = 21;

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every price of every list goes through here: written from its end into a buffer, nothing is allocated.
        let (mut whole, mut fraction) =
            (self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        let mut digits = 6;
        while 2 < digits && fraction % 10 == 0 {
            (fraction, digits) = (fraction / 10, digits - 1);
        }
        let mut text = [0; TEXT_BYTES_MAX];
        let mut unused = TEXT_BYTES_MAX;
        let mut left = text.iter_mut().rev();
        let mut put = |byte: u8| {
            if let Some(place) = left.next() {
                (*place, unused) = (byte, unused - 1);
            }
        };
        let digit = |number: u64| b'0' + (number % 10) as u8;
        for _ in 0..digits {
            put(digit(fraction));
            fraction /= 10;
        }
        put(b'.');
        put(digit(whole));
        while 10 <= whole {
            whole /= 10;
            put(digit(whole));
        }
        if self.0 < 0 {
            put(b'-');
        }
        let written = text.get(unused..).and_then(|bytes| std::str::from_utf8(bytes).ok());
        f.write_str(written.ok_or(fmt::Error)?)
    }
}

impl Currency {
    /// # Errors
    /// [`Code::BadValue`] unless it is three capital letters.
    pub fn parse(text: &str) -> Result<Self, Reject> {
        match text.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|x| x.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(Reject::new(
                Code::BadValue,
                "currency",
                "currency is not three capital letters, such as CNY",
            )),
        }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_decimals_exactly() {
        for (text, micros, shown) in [
            ("0", 0, "0.00"),
            ("1299.00", 1_299_000_000, "1299.00"),
            ("0.000001", 1, "0.000001"),
            ("007.50", 7_500_000, "7.50"),
            ("999999999.999999", 999_999_999_999_999, "999999999.999999"),
        ] {
            let read = Micros::parse(text, "price").unwrap();
            assert_eq!((read.0, read.to_string().as_str()), (micros, shown), "{text}");
        }
    }

    #[test]
    fn prints_every_number_there_is() {
        for (micros, shown) in [
            (i64::MAX, "9223372036854.775807"),
            (i64::MIN, "-9223372036854.775808"),
            (-1, "-0.000001"),
            (-1_500_000, "-1.50"),
            (10_000_000, "10.00"),
            (100_010, "0.10001"),
            (123_400, "0.1234"),
        ] {
            assert_eq!(Micros(micros).to_string(), shown);
        }
    }

    #[test]
    fn refuses_what_is_no_decimal() {
        for text in
            ["", "-1", "+1", "NaN", "1e3", ".", "1.", ".5", "1,5", "１", "1 ", "1000000000", "1.0000001"]
        {
            assert!(Micros::parse(text, "price").is_err(), "{text}");
        }
    }
}
