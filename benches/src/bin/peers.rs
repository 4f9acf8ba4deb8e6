//! `peers ROW INPUTS.json`: our side of one row of `benches/peers/run`, which starts it; prints one JSON object.

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;
use shoptide_benches::peers::{als, ease, item_item, ratings, session_knn, stream, tfidf_kmeans, topk};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [row, inputs] = args.as_slice() else { bail!("expected: peers ROW INPUTS.json") };
    let inputs = std::fs::read(inputs).with_context(|| inputs.clone())?;
    let inputs: Value = serde_json::from_slice(&inputs)?;
    // Rayon takes its threads from RAYON_NUM_THREADS, which the caller sets to the same as the peers'.
    let answer = match row.as_str() {
        "als" => with(inputs, als::run),
        "ease" => with(inputs, ease::run),
        "item_item" => with(inputs, item_item::run),
        "ratings" => with(inputs, ratings::run),
        "session_knn" => with(inputs, session_knn::run),
        "stream" => with(inputs, stream::run),
        "tfidf_kmeans" => with(inputs, tfidf_kmeans::run),
        "topk" => with(inputs, topk::run),
        other => bail!("{other} is no row"),
    }?;
    println!("{answer}");
    Ok(())
}

fn with<I: DeserializeOwned>(inputs: Value, run: fn(I) -> anyhow::Result<Value>) -> anyhow::Result<Value> {
    run(serde_json::from_value(inputs)?)
}
