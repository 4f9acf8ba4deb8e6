use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use shoptide_query::scale::{
    ClusterShop, Executor, ExecutorOptions, ScaleError, Scheduler, SchedulerOptions, connect, lake_url,
    refuse_other_tables,
};

use crate::cluster::{PATIENCE, cluster_of, start};

/// A function that no library has.
fn thrice() -> Arc<ScalarUDF> {
    let run = |args: &[ColumnarValue]| -> datafusion::error::Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(args)?;
        let x = arrays[0].as_primitive::<Float64Type>();
        let made: ArrayRef = Arc::new(x.iter().map(|x| x.map(|x| 3.0 * x)).collect::<Float64Array>());
        Ok(ColumnarValue::from(made))
    };
    let types = (vec![DataType::Float64], DataType::Float64);
    Arc::new(create_udf("thrice", types.0, types.1, Volatility::Immutable, Arc::new(run)))
}

/// Three files of numbers.
async fn write_numbers(lake: &std::path::Path) {
    let session = SessionContext::new();
    for part in 0..3i64 {
        let n: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1000).map(|i| i * 3 + part)));
        let x: ArrayRef = Arc::new(Float64Array::from_iter_values((0..1000).map(|i| f64::from(i % 97))));
        let batch = RecordBatch::try_from_iter([("n", n), ("x", x)]).unwrap();
        let path = lake.join(format!("numbers/{part}.parquet"));
        let frame = session.read_batch(batch).unwrap();
        frame.write_parquet(path.to_str().unwrap(), DataFrameWriteOptions::new(), None).await.unwrap();
    }
}

async fn answer(session: &SessionContext, sql: &str) -> String {
    let batches = session.sql(sql).await.unwrap().collect().await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_answers_as_one_process_does() {
    let lake = tempfile::tempdir().unwrap();
    write_numbers(lake.path()).await;
    let running = start(lake, vec![thrice()]).await;
    let session = running.session().await;
    session.register_parquet("numbers", lake_url("numbers/"), ParquetReadOptions::default()).await.unwrap();
    let local = SessionContext::new();
    local.register_udf(thrice().as_ref().clone());
    let path = running.lake.path().join("numbers");
    local.register_parquet("numbers", path.to_str().unwrap(), ParquetReadOptions::default()).await.unwrap();
    for sql in [
        "SELECT count(*), sum(n), avg(thrice(x)) FROM numbers",
        "SELECT n % 7 AS k, sum(thrice(x)) AS s, count(DISTINCT x) FROM numbers GROUP BY 1 ORDER BY 1",
        "SELECT a.n, b.x FROM numbers a JOIN numbers b ON a.n = b.n + 1 WHERE a.n % 100 = 0 ORDER BY a.n",
        "SELECT n, row_number() OVER (PARTITION BY n % 3 ORDER BY n DESC) AS r FROM numbers ORDER BY n LIMIT 20",
        "SELECT n FROM numbers WHERE n NOT IN (SELECT n FROM numbers WHERE thrice(x) > 30) ORDER BY n LIMIT 9",
        "SELECT n FROM numbers WHERE x > 1000",
        // Sides that turn out to be empty.
        "SELECT count(*) FROM (SELECT a.n, row_number() OVER (PARTITION BY a.n % 5 ORDER BY a.n) AS r FROM numbers a \
         LEFT JOIN (SELECT DISTINCT n FROM numbers WHERE x > 1000) b ON a.n = b.n \
         LEFT JOIN (SELECT n, min(x) AS x FROM numbers WHERE n < 0 GROUP BY n) c ON a.n = c.n \
         WHERE b.n IS NULL AND (c.x IS NULL OR a.x < c.x)) WHERE r < 3",
    ] {
        assert_eq!(answer(&session, sql).await, answer(&local, sql).await, "{sql}");
    }
    let counted = session.sql("SELECT count(*) FROM numbers").await.unwrap().collect().await.unwrap();
    assert_eq!(counted[0].column(0).as_primitive::<Int64Type>().value(0), 3000);

    // A table of the machine's files is refused there, whatever the client has.
    let secret = running.lake.path().join("numbers/0.parquet");
    let other = SessionContext::new();
    other.register_parquet("mine", secret.to_str().unwrap(), ParquetReadOptions::default()).await.unwrap();
    session.register_table("mine", other.table_provider("mine").await.unwrap()).unwrap();
    let failed = session.sql("SELECT count(*) FROM mine").await.unwrap().collect().await.unwrap_err();
    assert!(failed.to_string().contains("is not of the lake"), "{failed}");

    // What goes wrong on an executor is a sentence.
    for (sql, told) in [
        ("SELECT sum(1 / (n - n)) FROM numbers", "Divide by zero error"),
        ("SELECT arrow_cast(n, 'Int8') FROM numbers", "Can't cast value"),
        ("SELECT repeat('x', n * 1000000) FROM numbers", "its --memory-mib"),
    ] {
        let failed = session.sql(sql).await.unwrap().collect().await.unwrap_err();
        let failed = ScaleError::from(failed);
        let said =
            matches!(&failed, ScaleError::Failed(said) if said.contains(told) && !said.contains("Error("));
        assert!(said, "{sql}: {failed}");
    }

    let plan = session.sql("SELECT 1 FROM numbers WHERE n IN (SELECT n FROM mine)").await.unwrap();
    let is_lake = |_: Option<&str>, name: &str| name == "numbers";
    let refused = refuse_other_tables(plan.logical_plan(), &is_lake).unwrap_err().to_string();
    assert!(refused.contains("also names mine:"), "{refused}");
    let plan = session.sql("SELECT 1 FROM numbers").await.unwrap();
    refuse_other_tables(plan.logical_plan(), &is_lake).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_away_is_said_within_the_bound() {
    let lake = tempfile::tempdir().unwrap();
    let cluster = cluster_of(&lake, vec![]);
    let brief = std::time::Duration::from_millis(300);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let away = connect(&cluster, &url, brief).await.err().unwrap();
    assert!(matches!(&away, ScaleError::Away(why) if why.contains("cannot be reached")), "{away}");
    let work = tempfile::tempdir().unwrap();
    let options = |scheduler: String| ExecutorOptions {
        scheduler,
        bind: "127.0.0.1:0".parse().unwrap(),
        host: None,
        vcores: 1,
        memory_bytes: 64 << 20,
        work_dir: work.path().to_owned(),
        work_bytes_max: 1 << 30,
        patience: brief,
    };
    let away = Executor::start(&cluster, &options(url)).await.err().unwrap();
    assert!(matches!(away, ScaleError::Away(_)), "{away}");
    for bad in ["", "10.0.0.1:50050", "http://host", "ftp://host:1"] {
        let refused = connect(&cluster, bad, brief).await.err().unwrap();
        assert!(matches!(refused, ScaleError::Refused(_)), "{bad}: {refused}");
    }

    let bind = SchedulerOptions { bind: "127.0.0.1:0".parse().unwrap() };
    let scheduler = Scheduler::start(&cluster, &bind).await.unwrap();
    let lonely = connect(&cluster, &scheduler.url(), brief).await.err().unwrap();
    assert!(lonely.to_string().contains("has no executor"), "{lonely}");
    let taken =
        Scheduler::start(&cluster, &SchedulerOptions { bind: scheduler.address() }).await.err().unwrap();
    assert!(matches!(taken, ScaleError::Refused(_)), "{taken}");

    // An executor whose scheduler goes says so and ends.
    let mut executor = Executor::start(&cluster, &options(scheduler.url())).await.unwrap();
    connect(&cluster, &scheduler.url(), PATIENCE).await.unwrap();
    drop(scheduler);
    let ended = executor.run().await.unwrap_err();
    assert!(matches!(&ended, ScaleError::Away(why) if why.contains("has not answered")), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_query_that_is_ended_leaves_the_executors_to_others() {
    let dir = tempfile::tempdir().unwrap();
    write_numbers(dir.path()).await;
    let lake = shoptide_lake::Lake::open(&shoptide_lake::LakeOptions::local(dir.path())).await.unwrap();
    let snapshot = lake.snapshot().await.unwrap();
    let running = start(dir, shoptide_query::functions::all()).await;
    let shop =
        ClusterShop::open(&running.cluster, &running.scheduler.url(), PATIENCE, &snapshot).await.unwrap();
    let session = shop.session();
    session.register_parquet("numbers", lake_url("numbers/"), ParquetReadOptions::default()).await.unwrap();
    // Three parts of years each, asked twice: more than there are vcores.
    let forever = "SELECT sum(a.n * b.n % 7 + c.n * d.n % 5) FROM numbers a, numbers b, numbers c, numbers d";
    let asked = [0, 1].map(|_| {
        let session = session.clone();
        tokio::spawn(async move { session.sql(forever).await.unwrap().collect().await.map(|_| ()) })
    });
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    for asked in asked {
        if asked.is_finished() {
            panic!("it was to go on for ever: {:?}", asked.await);
        }
        asked.abort();
    }
    shop.cancel().await;
    let next = answer(session, "SELECT count(*) AS n FROM numbers WHERE n > 5");
    let next = tokio::time::timeout(std::time::Duration::from_secs(20), next).await;
    assert!(next.expect("the executors are still busy").contains("2994"));

    let statement = shoptide_query::Statement::all("SELECT segment(user_id) FROM events").unwrap().remove(0);
    let Err(refused) = shop.run(statement).await else { panic!("segment() needs the store") };
    assert!(refused.is_refusal() && refused.to_string().contains("segment()"), "{refused}");
}
