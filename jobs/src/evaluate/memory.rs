//! The most memory that this process held since a moment.

/// Begins anew, where the system lets us (Linux).
pub(super) fn reset_peak() {
    // Where it does not, the peak is that of the whole process so far: an upper bound.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Peak resident memory in megabytes (10^6); nothing where the system does not tell.
pub(super) fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn a_process_holds_something() {
        super::reset_peak();
        assert!(super::peak_mb().is_some_and(|mb| 0.1 < mb));
    }
}
