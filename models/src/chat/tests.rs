//! Messages that mean harm or nothing, each with its defined reading.
