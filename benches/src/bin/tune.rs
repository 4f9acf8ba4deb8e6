//! `cargo run --release -p shoptide-benches --bin tune -- als.alpha=0.1,0.2 blend.item_item=1,1.5`: tries values of
//! configuration keys one after another, each against the best so far, on a cut within the training part only, so that
//! the figures of the README stay unseen. Prints MovieLens and the generated shop side by side.

use anyhow::Context;
use shoptide_benches::rows::quality::movielens::Split;
use shoptide_benches::rows::quality::{Measured, Targets, generated, measure};
use shoptide_benches::shop::{self, Folded};

/// Of the generated shop's events, those that the figures train on.
const TRAIN_SHARE: f64 = 0.8;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let ratings = shop::data("ml-latest-small/ratings.csv.gz").map_err(anyhow::Error::msg)?;
    let movies = Split::read(&ratings, true).await?;
    let of = shop::generated(generated::SEED, 1_000, 600, 50_000)?;
    let (goods, targets) = generated::split(&of, TRAIN_SHARE).await?;
    let sets = [(&movies.folded, &movies.targets), (&goods, &targets)];
    let mut best: Vec<String> = Vec::new();
    let mut top = run(&best, sets).await?;
    for arg in args {
        let (key, values) =
            arg.split_once('=').with_context(|| format!("{arg}: expected key=value,value"))?;
        let base = best.clone();
        for value in values.split(',') {
            let mut set = base.clone();
            set.push(format!("{key}={value}"));
            let score = run(&set, sets).await?;
            if top < score {
                (top, best) = (score, set);
            }
        }
    }
    println!("best: {best:?}");
    Ok(())
}

/// The sum of both sets' recall and NDCG: a key that helps one and hurts the other as much does not pass.
async fn run(set: &[String], sets: [(&Folded, &Targets); 2]) -> anyhow::Result<f64> {
    let config = shop::config(set)?;
    let (mut said, mut sum) = (Vec::new(), 0.0);
    for (folded, targets) in sets {
        let measured = measure(folded, &config, targets).await?;
        let served = measured.of("served");
        sum += served.recall + served.ndcg;
        said.push(line(&measured));
    }
    println!("{:60} {}", set.join(" "), said.join("  |  "));
    Ok(sum)
}

fn line(m: &Measured) -> String {
    let each: Vec<String> =
        m.each.iter().map(|(name, q)| format!("{} {:.4} {:.4}", &name[..3], q.recall, q.ndcg)).collect();
    each.join(", ")
}
