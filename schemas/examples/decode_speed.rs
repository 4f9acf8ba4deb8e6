//! Prints how long decoding takes: `cargo run --release -p shoptide-schemas --example decode_speed`.

use std::hint::black_box;
use std::time::Instant;

use shoptide_schemas::{EventType, reference, wire};

const ROUNDS: u32 = 200_000;

fn main() {
    let bad = br#"{"event_id":"e","type":"view_item","user_id":1,"occurred_at":1777896000000,"item_id":"i"}"#;
    let typical = [EventType::ViewItem, EventType::AddToCart, EventType::Purchase, EventType::RateItem];
    let inputs = typical.map(|t| (t.name(), reference::user_example(t).as_bytes()));
    for (name, bytes) in inputs.into_iter().chain([("refused", bad.as_slice())]) {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            let _ = black_box(wire::decode(black_box(bytes)));
        }
        let each_ns = begun.elapsed().as_nanos() / u128::from(ROUNDS);
        println!("{name}: {} bytes, {each_ns} ns", bytes.len());
    }
}
