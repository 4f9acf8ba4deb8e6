//! Learning one event with every model of a stream, against river's BiasedMF alone.

use serde::Deserialize;
use serde_json::{Value, json};
use shoptide_models::model::{LearnEvent, Rated};
use shoptide_models::ratings::{BiasedMf, MfParams, Scale};
use shoptide_models::stream::{
    Hybrid, HybridParams, OnlineMf, OnlineMfParams, Popular, PopularParams, Trails, TrailsParams,
};
use std::path::PathBuf;
use std::time::Instant;

use super::arrays::f64s;

#[derive(Debug, Deserialize)]
pub struct Inputs {
    events: PathBuf,
    rank: usize,
    positive: f32,
}

/// # Errors
/// If the inputs cannot be read.
pub fn run(inputs: Inputs) -> anyhow::Result<Value> {
    let numbers = f64s(&inputs.events)?;
    let event = |row: &[f64; 4]| Rated {
        user: row[0] as u32,
        item: row[1] as u32,
        value: row[2] as f32,
        at_s: row[3] as i64,
    };
    let events: Vec<Rated> = numbers.as_chunks::<4>().0.iter().map(event).collect();
    let (positive, seed) = (inputs.positive, 1);
    let popular = PopularParams::new(300.0, positive)?;
    let online = OnlineMfParams::standard(positive, seed)?;
    let (trails, hybrid) = (TrailsParams::standard(positive)?, HybridParams::standard(positive, seed)?);
    let biased = MfParams::new(inputs.rank, 1, 0.02, 1.0, 0.02, 0.02, false, seed)?;
    let mut biased = BiasedMf::new(biased, Scale::new(0.5, 5.0)?);
    let mut models: [(&str, Box<dyn LearnEvent>); 4] = [
        ("popular", Box::new(Popular::new(popular))),
        ("online-mf", Box::new(OnlineMf::new(online))),
        ("trails", Box::new(Trails::new(trails))),
        ("hybrid", Box::new(Hybrid::new(hybrid))),
    ];
    let mut each_s = serde_json::Map::new();
    let mut all_s = 0.0;
    let mut timed = |name: &str, learn: &mut dyn FnMut()| {
        let began = Instant::now();
        learn();
        let seconds = began.elapsed().as_secs_f64();
        all_s += seconds;
        each_s.insert(name.to_owned(), seconds.into());
    };
    let mut refused = 0;
    timed("biased-mf", &mut || refused = events.iter().filter(|e| biased.learn(e).is_err()).count());
    for (name, model) in &mut models {
        timed(name, &mut || events.iter().for_each(|event| model.learn(event)));
    }
    Ok(json!({ "seconds": [all_s], "events": events.len() - refused, "each_s": each_s }))
}
