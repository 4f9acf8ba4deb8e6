//! Films that nobody has rated yet, ranked by what they say of themselves: their factors come by regression from the
//! factors of the others. Needs MovieLens (`ml-latest-small`) under `SHOPTIDE_DATA`; skipped without.

#![allow(clippy::unwrap_used)] // helpers of tests count as tests only inside a crate

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use flate2::read::GzDecoder;
use ndarray::{Array2, Axis};
use shoptide_models::als::{self, AlsParams};
use shoptide_models::content::{ColdItems, ColdParams, ContentIndex, ContentParams, ContentRank, ItemText};
use shoptide_models::evaluate::{Mean, quality};
use shoptide_models::matrix::Interactions;
use shoptide_models::model::{RankItems, best};

const K: usize = 20;
/// Every fifth film is cold.
const COLD: u64 = 5;

#[derive(Default)]
struct Film {
    title: String,
    genres: String,
    tags: Vec<String>,
}

struct Films {
    films: Vec<Film>,
    /// By user: films rated 4 or better.
    liked: Vec<Vec<u32>>,
}

fn read() -> Option<Films> {
    let folder = PathBuf::from(std::env::var_os("SHOPTIDE_DATA")?).join("ml-latest-small");
    let rows = |name: &str| {
        let file = std::fs::File::open(folder.join(name)).ok()?;
        Some(csv::Reader::from_reader(GzDecoder::new(file)).into_records().map(|r| r.unwrap()))
    };
    let (mut number, mut films) = (HashMap::new(), Vec::new());
    for row in rows("movies.csv.gz")? {
        number.insert(row[0].to_owned(), films.len() as u32);
        films.push(Film { title: row[1].to_owned(), genres: row[2].replace('|', " "), tags: vec![] });
    }
    for row in rows("tags.csv.gz")? {
        films[number[&row[1]] as usize].tags.push(row[2].to_owned());
    }
    let mut liked: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for row in rows("ratings.csv.gz")? {
        if 4.0 <= row[2].parse::<f32>().unwrap() {
            liked.entry(row[0].parse().unwrap()).or_default().push(number[&row[1]]);
        }
    }
    Some(Films { films, liked: liked.into_values().collect() })
}

fn is_cold(film: u32, seed: u64) -> bool {
    let bits =
        (u64::from(film) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.wrapping_mul(0xd6e8_feb8_6659_fd93);
    (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40 & 0xffff < 0x10000 / COLD
}

/// Mean NDCG of ranking all cold films by each method.
fn measure(data: &Films, seed: u64, cold_params: &ColdParams) -> BTreeMap<&'static str, f64> {
    let n = data.films.len();
    let cold: Vec<u32> = (0..n as u32).filter(|&film| is_cold(film, seed)).collect();
    let warm: Vec<u32> = (0..n as u32).filter(|&film| !is_cold(film, seed)).collect();
    let known = data
        .liked
        .iter()
        .map(|films| films.iter().filter(|&&film| !is_cold(film, seed)).map(|&film| (film, 1.0)).collect());
    let train = Interactions::from_rows(n, known).unwrap();
    let params = AlsParams::new(32, 10, 1.0, 0.1, 0.01, 1.0, seed).unwrap();
    let factors = als::fit(&train, &params, None, &mut |_| ()).unwrap();

    let texts: Vec<ItemText<'_>> = data
        .films
        .iter()
        .map(|f| ItemText { title: &f.title, category: &f.genres, tags: &f.tags, ..ItemText::default() })
        .collect();
    let index = ContentIndex::fit(&texts, &ContentParams::default());
    // Films without a like have factors of zero, which say nothing of what they would have been.
    let by_film = train.transpose();
    let seen: Vec<u32> = warm.iter().copied().filter(|&f| !by_film.row(f as usize).0.is_empty()).collect();
    let rows: Vec<usize> = seen.iter().map(|&f| f as usize).collect();
    let of_seen = factors.items.select(Axis(0), &rows);
    let users_of: Vec<f32> = rows.iter().map(|&f| by_film.row(f).0.len() as f32).collect();
    let roots: Vec<f32> = users_of.iter().map(|n| n.sqrt()).collect();
    let by_factors = ColdItems::fit(&index, &seen, of_seen.view(), &roots, cold_params).unwrap();
    let likes = Array2::from_shape_fn((seen.len(), 1), |(i, _)| users_of[i].ln_1p());
    let by_likes = ColdItems::fit(&index, &seen, likes.view(), &vec![1.0; seen.len()], cold_params).unwrap();

    let expected: Vec<Vec<f32>> = cold.iter().map(|&f| by_factors.factors(index.item(f))).collect();
    let popular: Vec<f32> = cold.iter().map(|&f| by_likes.factors(index.item(f))[0]).collect();
    let content = ContentRank { index: &index, users: &train };
    let mut means: BTreeMap<&'static str, Mean> = BTreeMap::new();
    for (user, films) in data.liked.iter().enumerate() {
        let targets: Vec<u32> = films.iter().copied().filter(|&f| is_cold(f, seed)).collect();
        if train.row(user).0.is_empty() {
            continue;
        }
        let of_user = factors.users.row(user);
        let mut add = |name, scores: Vec<(u32, f32)>| {
            let ranked: Vec<u32> = best(scores, &[], K).into_iter().map(|s| s.0).collect();
            means.entry(name).or_default().add(quality(&ranked, &targets, K));
        };
        let dot = |y: &[f32]| of_user.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
        add("regression", cold.iter().zip(&expected).map(|(&f, y)| (f, dot(y))).collect());
        add("popularity of its kind", cold.iter().copied().zip(popular.iter().copied()).collect());
        add(
            "random",
            cold.iter()
                .map(|&f| (f, ((f as u64 + user as u64 * 7919) * 2_654_435_761 % 65_537) as f32))
                .collect(),
        );
        add("content cosine", content.top(user as u32, &warm, K));
    }
    means.into_iter().map(|(name, mean)| (name, mean.get().ndcg)).collect()
}

/// Means over the seeds; nothing without the data.
fn over(seeds: &[u64]) -> Option<BTreeMap<&'static str, f64>> {
    let data = read()?;
    let mut sums: BTreeMap<&'static str, f64> = BTreeMap::new();
    for &seed in seeds {
        for (name, ndcg) in measure(&data, seed, &ColdParams::new(64, 1e-3, seed).unwrap()) {
            *sums.entry(name).or_default() += ndcg / seeds.len() as f64;
        }
    }
    println!("cold films, NDCG@{K} over {} seeds: {sums:.4?}", seeds.len());
    Some(sums)
}

#[test]
fn the_regression_beats_chance_and_keeps_up_with_expected_popularity() {
    let Some(means) = over(&[1]) else {
        println!("skipped: SHOPTIDE_DATA has no ml-latest-small");
        return;
    };
    // Popularity itself is 0 for all cold films. What a regression from the same content says of it is a strong rival:
    // films with tags are films that were seen.
    assert!(0.8 * means["popularity of its kind"] < means["regression"], "{means:?}");
    assert!(3.0 * means["random"] < means["regression"], "{means:?}");
}

/// The figures of the documentation.
#[test]
#[ignore = "prints the means of three seeds"]
fn figures() {
    over(&[1, 2, 3]);
}
