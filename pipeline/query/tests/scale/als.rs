use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Float32Array, RecordBatch};
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use object_store::ObjectStore;
use shoptide_models::als::{AlsParams, Training, train};
use shoptide_models::matrix::Interactions;
use shoptide_query::scale::als::{AlsJob, AlsReport, HeldRef, read_side, run};
use shoptide_query::scale::lake_url;

use crate::cluster::start;

type Strengths = Vec<(Vec<u8>, Vec<u8>, f32)>;

/// Everybody has the first item, so that its row is summed and not listed.
fn strengths(users: u32, items: u32) -> Strengths {
    let mut state = 7u64;
    let mut dice = |n: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as u32) % n
    };
    let mut made = Vec::new();
    for user in 0..users {
        let mut of: HashMap<u32, f32> = HashMap::from([(0, 1.0 + dice(5) as f32)]);
        for _ in 0..dice(20) {
            of.insert((dice(items) + user % 7 * 3) % items, 0.25 + dice(30) as f32);
        }
        let id = |prefix: &str, n: u32| format!("{prefix}{n}").into_bytes();
        made.extend(of.into_iter().map(|(item, s)| (id("u", user), id("i", item), s)));
    }
    made.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    made
}

async fn write(lake: &std::path::Path, rows: &Strengths) {
    let session = SessionContext::new();
    for (i, some) in rows.chunks(rows.len() / 4 + 1).enumerate() {
        let user: ArrayRef = Arc::new(BinaryArray::from_iter_values(some.iter().map(|r| &r.0)));
        let item: ArrayRef = Arc::new(BinaryArray::from_iter_values(some.iter().map(|r| &r.1)));
        let strength: ArrayRef = Arc::new(Float32Array::from_iter_values(some.iter().map(|r| r.2)));
        let batch =
            RecordBatch::try_from_iter([("user_id", user), ("item_id", item), ("strength", strength)])
                .unwrap();
        let path = lake.join(format!("likings/{i}.parquet"));
        let frame = session.read_batch(batch).unwrap();
        frame.write_parquet(path.to_str().unwrap(), DataFrameWriteOptions::new(), None).await.unwrap();
    }
}

async fn factors(store: &Arc<dyn ObjectStore>, side: &HeldRef) -> Vec<Vec<f32>> {
    let factors = read_side(store, side).await.unwrap();
    factors.chunks(side.params.rank()).map(<[f32]>::to_vec).collect()
}

fn local(rows: &Strengths, params: &AlsParams) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let numbers = |ids: Vec<&Vec<u8>>| -> HashMap<Vec<u8>, u32> {
        let mut ids: Vec<Vec<u8>> = ids.into_iter().cloned().collect();
        ids.sort();
        ids.dedup();
        ids.into_iter().zip(0..).collect()
    };
    let users = numbers(rows.iter().map(|r| &r.0).collect());
    let items = numbers(rows.iter().map(|r| &r.1).collect());
    let mut table = vec![Vec::new(); users.len()];
    for (user, item, strength) in rows {
        table[users[user] as usize].push((items[item], *strength));
    }
    let data = Interactions::from_rows(items.len(), table).unwrap();
    let made = train(&data, params, Training::default(), &mut |_| ()).unwrap();
    let rows = |side: &ndarray::Array2<f32>| side.outer_iter().map(|row| row.to_vec()).collect();
    (rows(&made.users), rows(&made.items))
}

fn largest_relative_difference(got: &[Vec<f32>], want: &[Vec<f32>]) -> f64 {
    assert_eq!(got.len(), want.len());
    let of = |(got, want): (&Vec<f32>, &Vec<f32>)| {
        let square = |x: f64| x * x;
        let apart: f64 = got.iter().zip(want).map(|(g, w)| square(f64::from(*g) - f64::from(*w))).sum();
        let size: f64 = want.iter().map(|w| square(f64::from(*w))).sum();
        (apart / size.max(1e-30)).sqrt()
    };
    got.iter().zip(want).map(of).fold(0.0, f64::max)
}

fn job(run: &str, params: AlsParams) -> AlsJob {
    let sql = "SELECT user_id, item_id, strength FROM likings".to_owned();
    AlsJob { interactions_sql: sql, params, run: run.to_owned() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn factors_of_a_cluster_are_the_local_trainers() {
    let rows = strengths(600, 150);
    let lake = tempfile::tempdir().unwrap();
    write(lake.path(), &rows).await;
    let running = start(lake, vec![]).await;
    let session = running.session().await;
    session.register_parquet("likings", lake_url("likings/"), ParquetReadOptions::default()).await.unwrap();
    let params = AlsParams::new(8, 4, 0.5, 0.05, 0.02, 0.8, 42).unwrap();
    let report: AlsReport =
        run(&running.cluster, &session, &job("one", params), &mut |_, _| ()).await.unwrap();
    assert_eq!((report.users.rows, report.interactions), (600, rows.len() as u64));
    assert_eq!(report.sweeps.len(), 4);

    let (users, items) = local(&rows, &params);
    let apart = (
        largest_relative_difference(&factors(running.cluster.store(), &report.users).await, &users),
        largest_relative_difference(&factors(running.cluster.store(), &report.items).await, &items),
    );
    println!("largest relative differences: users {}, items {}", apart.0, apart.1);
    assert!(apart.0 < 1e-4 && apart.1 < 1e-4, "{apart:?}");

    // Only the last sides stay, and a run's name cannot be used twice.
    let sides = std::fs::read_dir(running.lake.path().join("scale/one/sides")).unwrap();
    let mut names: Vec<_> = sides.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".parquet"));
    names.sort();
    assert_eq!(names, ["items-0004.parquet", "users-0005.parquet"]);
    run(&running.cluster, &session, &job("one", params), &mut |_, _| ()).await.unwrap_err();

    // A side that is not what the reference says is not used.
    let store = running.cluster.store();
    let other = HeldRef { path: report.users.path.clone(), ..report.items.clone() };
    let wrong = read_side(store, &other).await.unwrap_err().to_string();
    assert!(wrong.contains("is not the side that was meant"), "{wrong}");
    let changed = HeldRef { hash: report.items.hash ^ 1, ..report.items.clone() };
    assert!(read_side(store, &changed).await.unwrap_err().to_string().contains("its content"));
    let empty = job("none", params);
    let empty =
        AlsJob { interactions_sql: format!("{} WHERE strength < 0", empty.interactions_sql), ..empty };
    let nothing = run(&running.cluster, &session, &empty, &mut |_, _| ()).await.unwrap_err();
    assert!(nothing.to_string().contains("no interactions"), "{nothing}");
}
