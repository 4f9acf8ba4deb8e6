//! SQL over the event lake and the truth.
