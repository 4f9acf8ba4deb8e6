//! The text of a plan: `w3=5%abort;w6=2%1*sleep(15000);w4=error`.

use std::time::Duration;

use crate::Point;

/// What a process does at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// As `kill -9` at this instruction.
    Abort,
    Sleep(Duration),
    /// Fails as this place may fail.
    Error,
}

/// How often it does so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rule {
    pub point: Point,
    pub percent: f64,
    /// At most so many times; 0 is for ever.
    pub times: u64,
    pub action: Action,
}

pub(crate) fn parse(text: &str) -> Result<Vec<Rule>, String> {
    text.split(';').map(str::trim).filter(|rule| !rule.is_empty()).map(rule).collect()
}

fn rule(text: &str) -> Result<Rule, String> {
    let told = |what: &str| format!("FAILPOINTS: {text:?} {what}");
    let (name, mut rest) = text.split_once('=').ok_or_else(|| told("is not POINT=[P%][N*]ACTION"))?;
    let names = || Point::ALL.iter().map(|p| p.name()).collect::<Vec<_>>().join(", ");
    let point = Point::from_name(name.trim())
        .ok_or_else(|| told(&format!("names no point, expected one of {}", names())))?;
    let (mut percent, mut times) = (100.0, 0);
    if let Some((part, after)) = rest.split_once('%') {
        percent = part
            .trim()
            .parse()
            .ok()
            .filter(|p| (0.0..=100.0).contains(p))
            .ok_or_else(|| told("has no percentage"))?;
        rest = after;
    }
    if let Some((part, after)) = rest.split_once('*') {
        times = part.trim().parse().map_err(|_| told("has no count"))?;
        rest = after;
    }
    let action = match rest.trim() {
        "abort" => Action::Abort,
        "error" => Action::Error,
        other => {
            let ms = other.strip_prefix("sleep(").and_then(|ms| ms.strip_suffix(')')?.parse().ok());
            Action::Sleep(Duration::from_millis(
                ms.ok_or_else(|| told("has no action: abort, error or sleep(MS)"))?,
            ))
        }
    };
    Ok(Rule { point, percent, times, action })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_plan_is_read_whole_or_refused() {
        let all = parse("w3=5%abort; w6=2%1*sleep(15000);w4=error;").unwrap();
        let rule = |point, percent, times, action| Rule { point, percent, times, action };
        assert_eq!(
            all,
            [
                rule(Point::W3, 5.0, 0, Action::Abort),
                rule(Point::W6, 2.0, 1, Action::Sleep(Duration::from_secs(15))),
                rule(Point::W4, 100.0, 0, Action::Error),
            ]
        );
        for bad in ["w3", "w99=abort", "w3=explode", "w3=200%abort", "w3=x*abort", "w3=sleep(x)"] {
            assert!(parse(bad).unwrap_err().contains(bad), "{bad}");
        }
    }
}
