//! Every kind of configuration that cannot be used, and that its error names the key, the bound and the source.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use common::{CANARY, assert_hides, load, private, refused, with_mode};
use shoptide_config::{ConfigError, Origin};
use tempfile::TempDir;

/// (file, what the message must say, key at fault)
#[rustfmt::skip] // one case a line
const FILES: &[(&str, &[&str], Option<&str>)] = &[
    // Unknown keys.
    ("prot = 1", &["prot is no key", "shop.toml line 1"], Some("prot")),
    ("fsync = 1", &["fsync is no key", "perhaps log.fsync"], Some("fsync")),
    ("[serv]\nport = 1", &["serv is no key", "line 1"], Some("serv")),
    ("[serve]\n\nprot = 1", &["serve.prot is no key", "perhaps serve.port", "line 3"], Some("serve.prot")),
    ("serve.prot = 1", &["serve.prot is no key"], Some("serve.prot")),
    ("[serve.tls]\ncert = 1", &["serve.tls is no key"], Some("serve.tls")),
    ("[weights]\nlike = 3.0", &["weights.like is no key"], Some("weights.like")),
    ("[[serve]]\nport = 1", &["serve is an array", "expected a table"], Some("serve")),
    ("\"a\\nb\" = 1", &["a\\nb is no key"], Some("a\nb")),
    // Wrong types.
    ("serve = 1", &["serve is an integer, expected a table"], Some("serve")),
    ("[serve]\nport = \"8000\"", &["serve.port is a string, expected an integer", "line 2"], Some("serve.port")),
    ("[serve]\nport = 80.5", &["serve.port is a float, expected an integer"], Some("serve.port")),
    ("[serve]\nport = [1]", &["serve.port is an array", "expected an integer"], Some("serve.port")),
    ("[serve.port]\nx = 1", &["serve.port is a table, expected an integer"], Some("serve.port")),
    ("[serve]\nmetrics = 1", &["serve.metrics is an integer, expected true or false"], Some("serve.metrics")),
    ("[serve]\nhost = 127", &["serve.host is an integer, expected a string"], Some("serve.host")),
    ("[serve]\ncors_origins = \"*\"", &["serve.cors_origins is a string, expected an array of strings"], Some("serve.cors_origins")),
    ("[serve]\ncors_origins = [1]", &["serve.cors_origins is an array of something else"], Some("serve.cors_origins")),
    ("[weights]\npurchase = \"8\"", &["weights.purchase is a string, expected a number"], Some("weights.purchase")),
    ("[weights]\npurchase = 2026-01-01", &["weights.purchase is a date"], Some("weights.purchase")),
    ("[serve]\nwrite_key = 123", &["serve.write_key is an integer, expected a string"], Some("serve.write_key")),
    // Numbers that are none, or too large for any type.
    ("[weights]\npurchase = nan", &["weights.purchase is NaN, expected -1000 to 1000"], Some("weights.purchase")),
    ("[weights]\npurchase = inf", &["weights.purchase is inf"], Some("weights.purchase")),
    ("[weights]\npurchase = 1e400", &["weights.purchase is inf"], Some("weights.purchase")),
    ("[weights]\npurchase = 1000.5", &["weights.purchase is 1000.5"], Some("weights.purchase")),
    ("[weights]\npurchase = -1001", &["weights.purchase is -1001"], Some("weights.purchase")),
    ("[weights]\nrating_neutral = 5.0", &["weights.rating_neutral is 5, expected 0 to below 5"], Some("weights.rating_neutral")),
    ("[half_lives_days]\ncart = 0", &["half_lives_days.cart is 0, expected 0.01 to 36500"], Some("half_lives_days.cart")),
    ("[half_lives_days]\norder = -1.5", &["half_lives_days.order is -1.5"], Some("half_lives_days.order")),
    ("[half_lives_days]\nforum = nan", &["half_lives_days.forum is NaN"], Some("half_lives_days.forum")),
    ("[als]\nrank = 0", &["als.rank is 0, expected 1 to 512", "line 2"], Some("als.rank")),
    ("[als]\nrank = -1", &["als.rank is -1, expected 0 or more"], Some("als.rank")),
    ("[als]\nrank = 9223372036854775807", &["als.rank is 9223372036854775807, expected 1 to 512"], Some("als.rank")),
    ("[als]\nseed = 9223372036854775808", &["als.seed is an integer of more than 64 bits"], Some("als.seed")),
    ("[als]\nalpha = 99999999999999999999", &["als.alpha is an integer of more than 64 bits"], Some("als.alpha")),
    ("[als]\nalpha = 0", &["als.alpha is 0, expected above 0"], Some("als.alpha")),
    ("[als]\nregularization = -0.0", &["als.regularization is -0"], Some("als.regularization")),
    ("[als]\nreg_exponent = inf", &["als.reg_exponent is inf, expected 0 to 1"], Some("als.reg_exponent")),
    ("[als]\nsolver = \"lu\"", &["als.solver is \"lu\", expected \"exact\", \"cholesky\", \"cg\" or \"subspace\"", "line 2"], Some("als.solver")),
    ("[als]\nsolver = \"CG\"", &["als.solver is \"CG\""], Some("als.solver")),
    ("[als]\nsolver = 3", &["als.solver is an integer, expected a string"], Some("als.solver")),
    ("[item_item]\nk = 0", &["item_item.k is 0, expected 1 to 1000"], Some("item_item.k")),
    ("[item_item]\nshrinkage = nan", &["item_item.shrinkage is NaN"], Some("item_item.shrinkage")),
    ("[item_item]\nuser_items_max = 1", &["item_item.user_items_max is 1"], Some("item_item.user_items_max")),
    ("[popularity]\nhalf_life_days = 36501", &["popularity.half_life_days is 36501"], Some("popularity.half_life_days")),
    ("[popularity]\ntrending_prior = 0", &["popularity.trending_prior is 0"], Some("popularity.trending_prior")),
    // Services.
    ("[log]\nkind = \"kafka\"", &["log.kind", "kafka.brokers", "addresses"], Some("log.kind")),
    ("[log]\nkind = \"redpanda\"", &["log.kind is \"redpanda\", expected \"embedded\" or \"kafka\""], Some("log.kind")),
    ("[store]\nkind = \"mysql\"", &["store.kind", "mysql.host"], Some("store.kind")),
    ("[store]\ncache = \"redis\"", &["store.cache", "redis.nodes"], Some("store.cache")),
    ("[store]\ncache = \"memcached\"", &["store.cache is \"memcached\", expected \"local\" or \"redis\""], Some("store.cache")),
    ("[kafka]\nsecurity = \"ssl\"", &["kafka.security is \"ssl\", expected \"plaintext\", \"tls\""], Some("kafka.security")),
    ("[kafka]\nsecurity = \"sasl-tls\"", &["kafka.security", "kafka.user", "needs a user and a password"], Some("kafka.security")),
    ("[kafka]\ncodec = \"brotli\"", &["kafka.codec is \"brotli\""], Some("kafka.codec")),
    ("[kafka]\nprefix = \"a/b\"", &["kafka.prefix is \"a/b\", expected letters"], Some("kafka.prefix")),
    ("[kafka]\nreplication = 0", &["kafka.replication is 0, expected 1 to 15"], Some("kafka.replication")),
    ("[mysql]\nport = 65536", &["mysql.port is 65536, expected 1 to 65535"], Some("mysql.port")),
    ("[mysql]\ntls = \"on\"", &["mysql.tls is \"on\", expected \"off\""], Some("mysql.tls")),
    ("[mysql]\nconnections = 1", &["mysql.connections is 1, expected 2 to 256"], Some("mysql.connections")),
    ("[redis]\nnodes = [\"cache\"]", &["redis.nodes is \"cache\", expected host:port"], Some("redis.nodes")),
    ("[redis]\nnodes = [\"cache:0\"]", &["redis.nodes is \"cache:0\", expected host:port"], Some("redis.nodes")),
    ("[blend]\nfactors = -1", &["blend.factors is -1, expected 0 to 1000"], Some("blend.factors")),
    ("[mmr]\nlambda = 1.1", &["mmr.lambda is 1.1, expected 0 to 1"], Some("mmr.lambda")),
    ("[list]\nlength = 9", &["list.length is 9, expected 10 to 500"], Some("list.length")),
    ("[list]\nlength = 501", &["list.length is 501"], Some("list.length")),
    ("[list]\nshown_default = 0", &["list.shown_default is 0, expected 1 to 500"], Some("list.shown_default")),
    ("[list]\nbought_hidden_days = -1", &["list.bought_hidden_days is -1, expected 0 to 36500"], Some("list.bought_hidden_days")),
    ("[log]\npartitions = 0", &["log.partitions is 0, expected 1 to 256"], Some("log.partitions")),
    ("[log]\npartitions = 257", &["log.partitions is 257"], Some("log.partitions")),
    ("[log]\nqueue_records_max = 999", &["log.queue_records_max is 999, expected 1000 to 1000000"], Some("log.queue_records_max")),
    ("[store]\ncache_entries_max = 99", &["store.cache_entries_max is 99"], Some("store.cache_entries_max")),
    ("[store]\ncache_ttl_s = 0", &["store.cache_ttl_s is 0"], Some("store.cache_ttl_s")),
    ("[store]\nread_connections = 65", &["store.read_connections is 65, expected 1 to 64"], Some("store.read_connections")),
    ("[stream]\nbatch_records_max = 0", &["stream.batch_records_max is 0"], Some("stream.batch_records_max")),
    ("[stream]\nbatch_bytes_max = 65535", &["stream.batch_bytes_max is 65535"], Some("stream.batch_bytes_max")),
    ("[store]\nstart_patience_s = 3601", &["store.start_patience_s is 3601, expected 0 to 3600"], Some("store.start_patience_s")),
    ("[stream]\nusers_cached_max = -5", &["stream.users_cached_max is -5"], Some("stream.users_cached_max")),
    ("[stream]\nlist_versions_behind_max = 0", &["stream.list_versions_behind_max is 0"], Some("stream.list_versions_behind_max")),
    ("[stream]\nsweep_lists_per_s = 0", &["stream.sweep_lists_per_s is 0"], Some("stream.sweep_lists_per_s")),
    ("[stream]\nchats_kept_days = -1", &["stream.chats_kept_days is -1, expected 0 to 36500"], Some("stream.chats_kept_days")),
    ("[stream]\nlist_every_ms = 2001", &["stream.list_every_ms is 2001, expected 0 to 2000"], Some("stream.list_every_ms")),
    ("[train]\nfull_every_s = 0", &["train.full_every_s is 0"], Some("train.full_every_s")),
    ("[train]\nrefresh_every_ms = 99", &["train.refresh_every_ms is 99"], Some("train.refresh_every_ms")),
    ("[train]\nfirst_after_events = 0", &["train.first_after_events is 0"], Some("train.first_after_events")),
    ("[train]\nmodels_kept_min = 1", &["train.models_kept_min is 1, expected 2 to 10000"], Some("train.models_kept_min")),
    ("[train]\nfulls_kept_min = 0", &["train.fulls_kept_min is 0, expected 1 to 1000"], Some("train.fulls_kept_min")),
    ("[train]\ncandidates_kept_max = 0", &["train.candidates_kept_max is 0"], Some("train.candidates_kept_max")),
    ("[gate]\npromote = \"never\"", &["gate.promote is \"never\"", "by_hand"], Some("gate.promote")),
    ("[gate]\nmetrics = []", &["gate.metrics is []"], Some("gate.metrics")),
    ("[gate]\nmetrics = [\"auc\"]", &["gate.metrics is \"auc\""], Some("gate.metrics")),
    ("[gate]\ntolerance = 1.1", &["gate.tolerance is 1.1, expected 0 to 1"], Some("gate.tolerance")),
    ("[gate]\ntolerance = nan", &["gate.tolerance is NaN"], Some("gate.tolerance")),
    ("[gate]\nusers_max = 99", &["gate.users_max is 99"], Some("gate.users_max")),
    ("[gate]\nusers_min = 20001", &["gate.users_min and gate.users_max cannot"], Some("gate.users_min")),
    ("[train]\nfull_after_changed_share = 0", &["train.full_after_changed_share is 0, expected above 0 to 1"], Some("train.full_after_changed_share")),
    ("[train]\nfull_after_changed_share = nan", &["train.full_after_changed_share is NaN"], Some("train.full_after_changed_share")),
    ("[serve]\nport = 65536", &["serve.port is 65536, expected 0 to 65535"], Some("serve.port")),
    ("[serve]\nstatus_address = \"localhost\"", &["serve.status_address is ", "address and a port"], Some("serve.status_address")),
    ("[serve]\nport = -1", &["serve.port is -1"], Some("serve.port")),
    ("[serve]\nconnections_max = 0", &["serve.connections_max is 0"], Some("serve.connections_max")),
    ("[serve]\nheader_timeout_ms = 99", &["serve.header_timeout_ms is 99, expected 100 to 600000"], Some("serve.header_timeout_ms")),
    ("[serve]\nbody_timeout_ms = 0", &["serve.body_timeout_ms is 0"], Some("serve.body_timeout_ms")),
    ("[serve]\nrequest_timeout_ms = 600001", &["serve.request_timeout_ms is 600001"], Some("serve.request_timeout_ms")),
    ("[serve]\ndrain_ms = 4001", &["serve.drain_ms is 4001, expected 0 to 4000"], Some("serve.drain_ms")),
    // Texts that say nothing known.
    ("[shop]\ncurrency = \"yuan\"", &["shop.currency is \"yuan\", expected three capital letters"], Some("shop.currency")),
    ("[log]\nkind = \"redis\"", &["log.kind is \"redis\", expected \"embedded\""], Some("log.kind")),
    ("[store]\nkind = \"\"", &["store.kind is \"\""], Some("store.kind")),
    ("[serve]\nhost = \"localhost\"", &["serve.host is \"localhost\", expected an IPv4 or IPv6 address"], Some("serve.host")),
    ("[serve]\ncors_origins = [\"https://a.example/\"]", &["serve.cors_origins is \"https://a.example/\""], Some("serve.cors_origins")),
    // What cannot go together.
    ("[serve]\ncors_origins = [\"*\", \"https://a.example\"]", &["serve.cors_origins is \"*\" beside others"], Some("serve.cors_origins")),
    ("[list]\nlength = 20\nshown_default = 21", &["list.shown_default and list.length cannot go together", "shop.toml line 3", "shop.toml line 2"], Some("list.shown_default")),
    ("[list]\nshown_default = 101", &["list.length: default"], Some("list.shown_default")),
    ("[log]\nqueue_records_max = 1999", &["log.group_commit_records_max and log.queue_records_max cannot"], Some("log.group_commit_records_max")),
    ("[train]\nfull_every_s = 1", &["train.refresh_every_ms and train.full_every_s cannot"], Some("train.refresh_every_ms")),
    ("[popularity]\ntrending_half_life_days = 31", &["popularity.trending_half_life_days is 31, expected 0.01 to popularity.half_life_days"], Some("popularity.trending_half_life_days")),
    ("[blend]\nfactors = 0\nitem_item = 0\npopularity = 0\ntrending = 0", &["blend is all 0", "line 5"], Some("blend")),
    ("[serve]\nwrite_key = \"canary-0123456789abcdef\"\nread_key = \"canary-0123456789abcdef\"", &["serve.write_key and serve.read_key cannot go together"], Some("serve.write_key")),
    ("[assistant]\nbase_url = \"ftp://x\"", &["assistant.base_url is \"ftp://x\", expected http:// or https://"], Some("assistant.base_url")),
    ("[assistant]\nbase_url = \"https://user:pass@x/v1\"", &["assistant.base_url is"], Some("assistant.base_url")),
    ("[assistant]\nbase_url = \"http://far.example/v1\"\nkey = \"canary-0123456789abcdef\"", &["assistant.key and assistant.base_url cannot go together", "line 3", "line 2"], Some("assistant.key")),
    ("[assistant]\ntimeout_ms = 60001", &["assistant.timeout_ms is 60001, expected 100 to 60000"], Some("assistant.timeout_ms")),
    ("[sql]\nmemory_mib = 31", &["sql.memory_mib is 31, expected 32 to 16777216"], Some("sql.memory_mib")),
    ("[sql]\nthreads = -1", &["sql.threads is -1, expected 0 to 1024"], Some("sql.threads")),
    ("[assistant]\nturns_max = 0", &["assistant.turns_max is 0, expected 1 to 10000"], Some("assistant.turns_max")),
    ("[assistant]\nmillion_in_cost = \"-1\"", &["assistant.million_in_cost is \"-1\", expected a decimal"], Some("assistant.million_in_cost")),
    ("[assistant]\nmillion_out_cost = 3", &["assistant.million_out_cost is an integer, expected a string"], Some("assistant.million_out_cost")),
    ("[assistant]\nmodel = \"a\\nb\"", &["assistant.model is"], Some("assistant.model")),
    ("[assistant]\nkey = \"canary 0123456789abcdef\"", &["assistant.key is not visible ASCII"], Some("assistant.key")),
    // Schedules.
    ("[schedule]\nx = 1", &["schedule.x is an integer, expected a table", "line 2"], Some("schedule.x")),
    ("[schedule.Nightly]\njob = \"train\"", &["schedule is called \"Nightly\"", "a name of at most 32", "line 1"], Some("schedule")),
    ("[schedule.a__b]\njob = \"train\"", &["schedule is called \"a__b\""], Some("schedule")),
    ("[schedule.x]\ncorn = \"@daily\"", &["schedule.x.corn is no key", "perhaps schedule.x.cron", "line 2"], Some("schedule.x.corn")),
    ("[schedule.x]\ncron = \"@daily\"", &["schedule.x is without a job, expected the name of one", "line 2"], Some("schedule.x")),
    ("[schedule.x]\njob = 7", &["schedule.x.job is an integer, expected a string"], Some("schedule.x.job")),
    ("[schedule.x]\njob = \"train\"\ncron = \"61 * * * *\"", &["schedule.x.cron is \"61 * * * *\"", "line 3"], Some("schedule.x.cron")),
    ("[schedule.x]\njob = \"train\"\ncron = \"0 0 30 2 *\"", &["schedule.x.cron is \"0 0 30 2 *\"", "never fires", "line 3"], Some("schedule.x.cron")),
    ("[schedule.train]\ncron = \"every day\"", &["schedule.train.cron is \"every day\"", "line 2"], Some("schedule.train.cron")),
    ("[schedule.x]\njob = \"train\"\nretries = 21", &["schedule.x.retries is 21, expected 0 to 20"], Some("schedule.x.retries")),
    ("[schedule.x]\njob = \"train\"\ntimeout_s = 0", &["schedule.x.timeout_s is 0, expected 1 to 604800"], Some("schedule.x.timeout_s")),
    ("[schedule.x]\njob = \"train\"\nretry_first_s = 3601", &["schedule.x.retry_first_s is 3601"], Some("schedule.x.retry_first_s")),
    ("[schedule.x]\njob = \"train\"\nmissed = \"all\"", &["schedule.x.missed is \"all\", expected \"catch_up\", \"skip\" or \"latest\""], Some("schedule.x.missed")),
    ("[schedule.x]\njob = \"train\"\nmissed_max = 1001", &["schedule.x.missed_max is 1001, expected 1 to 1000"], Some("schedule.x.missed_max")),
    ("[jobs]\nlease_s = 2", &["jobs.lease_s is 2, expected 3 to 600"], Some("jobs.lease_s")),
    ("[jobs]\nrunning_max = 0", &["jobs.running_max is 0"], Some("jobs.running_max")),
    ("[jobs]\nhistory_max = 9", &["jobs.history_max is 9"], Some("jobs.history_max")),
    ("[jobs]\nmissed = \"\"", &["jobs.missed is \"\""], Some("jobs.missed")),
    ("[lake]\nurl = \"ftp://x\"", &["lake.url is \"ftp://x\", expected a folder, or s3://bucket/prefix"], Some("lake.url")),
    ("[lake]\naccess_key = \"shop\"", &["lake.access_key and lake.secret_key cannot go together"], Some("lake.access_key")),
    ("[lake]\nsecret_key = \"canary-0123456789abcdef\"", &["lake.secret_key and lake.access_key cannot go together"], Some("lake.secret_key")),
    ("[lake]\ngrace_s = 60", &["lake.grace_s is 60, expected 3600 to 31536000"], Some("lake.grace_s")),
    ("[lake]\ncompact_below_kib = 65536", &["lake.compact_below_kib and lake.file_mib_max cannot go together"], Some("lake.compact_below_kib")),
    // Secrets of a wrong shape.
    ("[serve]\nwrite_key = \"short\"", &["serve.write_key is too short, expected 16 to 256"], Some("serve.write_key")),
    ("[serve]\nread_key = \"canary-0123456789abcdef \"", &["serve.read_key is not visible ASCII"], Some("serve.read_key")),
    // No TOML. The line with the mistake may hold a secret.
    ("[serve]\nwrite_key = canary-0123456789abcdef", &["line 2", "at serve.write_key"], Some("serve.write_key")),
    ("[serve]\nwrite_key = \"canary-0123456789abcdef", &["line 2", "at serve.write_key"], Some("serve.write_key")),
    ("[serve]\nwrite_key = \"canary-0123456789abcdef\" canary-0123456789abcdef", &["line 2"], Some("serve.write_key")),
    ("[serve]\nwrite_key: canary-0123456789abcdef", &["line 2"], Some("serve")),
    ("[serve]\nport = 1\nport = 2", &["line 3", "duplicate key"], Some("serve.port")),
    ("[serve\nport = 1", &["line 1", "at serve"], Some("serve")),
    ("[serve]\nwrite_key = \"\"\"\ncanary-0123456789abcdef==\n", &["is no TOML"], Some("serve")),
    ("[canary-0123456789abcdef", &["line 1"], None),
    ("\u{0}", &["line 1"], None),
];

#[test]
fn every_bad_file_is_refused_by_name() {
    for (text, said, key) in FILES {
        let error = refused(text, &[]);
        let message = error.to_string();
        for part in *said {
            assert!(message.contains(part), "{text:?} gave {message:?}, expected {part:?}");
        }
        assert!(message.contains("shop.toml"), "{text:?} gave {message:?} without its file");
        assert_eq!(error.key(), *key, "{text:?} gave {message:?}");
    }
}

/// (variable, value, what the message must say)
#[rustfmt::skip] // one case a line
const VARIABLES: &[(&str, &str, &[&str])] = &[
    ("SHOPTIDE_SERVE__PORT", "http", &["serve.port is some other text, expected an integer"]),
    ("SHOPTIDE_SERVE__PORT", "", &["serve.port is some other text"]),
    ("SHOPTIDE_SERVE__PORT", "70000", &["serve.port is 70000, expected 0 to 65535"]),
    ("SHOPTIDE_SERVE__PORT", "99999999999999999999", &["serve.port is an integer of more than 64 bits"]),
    ("SHOPTIDE_SERVE__METRICS", "yes", &["serve.metrics is some other text, expected true or false"]),
    ("SHOPTIDE_WEIGHTS__PURCHASE", "NaN", &["weights.purchase is NaN"]),
    ("SHOPTIDE_WEIGHTS__PURCHASE", "8,5", &["weights.purchase is some other text, expected a number"]),
    ("SHOPTIDE_WEIGHTS__PURCHASE", "1e400", &["weights.purchase is inf"]),
    ("SHOPTIDE_LOG__KIND", "kafka", &["kafka.brokers"]),
    ("SHOPTIDE_LIST__SHOWN_DEFAULT", "200", &["list.shown_default and list.length cannot go together"]),
    ("SHOPTIDE_SERVE__CORS_ORIGINS", "https://a.example,,", &["serve.cors_origins is \"\""]),
    ("SHOPTIDE_SERVE__WRITE_KEY", "canary", &["serve.write_key is too short"]),
    ("SHOPTIDE_SERVE__PORT", CANARY, &["serve.port is some other text"]),
];

#[test]
fn every_bad_variable_is_refused_by_name() {
    for (name, value, said) in VARIABLES {
        let error = load(None, &[(name, value)]).err().unwrap_or_else(|| panic!("accepted {name}={value}"));
        assert_hides(&error);
        let message = error.to_string();
        assert!(message.contains(&format!("environment variable {name}")), "{message}");
        for part in *said {
            assert!(message.contains(part), "{name}={value} gave {message:?}, expected {part:?}");
        }
    }
}

#[test]
fn a_schedule_of_a_job_that_is_not_names_those_that_are() {
    let dir = TempDir::new().unwrap();
    let file = private(&dir, "shop.toml", "[schedule.x]\njob = \"trian\"\n");
    let config = load(Some(&file), &[]).unwrap();
    assert!(
        config.check_jobs(&["trian", "train", "evaluate", "verify", "archive", "segment", "report"]).is_ok()
    );
    let said = config
        .check_jobs(&["train", "evaluate", "verify", "archive", "segment", "report"])
        .unwrap_err()
        .to_string();
    assert!(
        said.starts_with("schedule.x.job is \"trian\", expected one of train, evaluate, verify"),
        "{said}"
    );
    assert!(said.contains("shop.toml line 2"), "{said}");
}

#[test]
fn there_are_no_more_schedules_than_can_be_looked_at() {
    let many: String = (0..70).map(|n| format!("[schedule.s{n}]\njob = \"train\"\n")).collect();
    let said = refused(&many, &[]).to_string();
    assert!(said.contains("expected at most 64 schedules"), "{said}");
}

#[test]
fn unknown_variables_are_refused_and_others_left_alone() {
    for (name, hint) in [
        ("SHOPTIDE_SERVE__PROT", Some("SHOPTIDE_SERVE__PORT")),
        ("SHOPTIDE_SERVE_PORT", Some("SHOPTIDE_SERVE__PORT")),
        ("SHOPTIDE_serve__port", Some("SHOPTIDE_SERVE__PORT")),
        ("SHOPTIDE_NONSENSE", None),
        ("SHOPTIDE_", None),
        ("SHOPTIDE_DATA__X", None),
    ] {
        let error = load(None, &[(name, CANARY)]).expect_err(name);
        assert_hides(&error);
        let ConfigError::UnknownVariable { name: named, meant } = error else {
            panic!("{name} gave {error}")
        };
        assert_eq!((named.as_str(), meant.as_deref()), (name, hint));
    }
    let others = [("SHOPTIDE_DATA", "/x"), ("SHOPTIDE_LOG", "debug"), ("PATH", "/bin"), ("shoptide_x", "1")];
    assert_eq!(load(None, &others).unwrap(), load(None, &[]).unwrap());
}

#[test]
fn no_weight_above_zero_teaches_nothing() {
    let defaults = load(None, &[]).unwrap().show();
    let weights = defaults.split("[weights]").nth(1).unwrap().split('[').next().unwrap();
    let zeros: String = weights
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .filter(|(key, _)| *key != "rating_neutral")
        .map(|(key, _)| format!("{key} = 0\n"))
        .collect();
    let message = refused(&format!("[weights]\n{zeros}"), &[]).to_string();
    assert!(message.starts_with("weights is 0 or less throughout"), "{message}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = TempDir::new().unwrap();
    let latin1 = with_mode(&dir, "latin1.toml", b"# \xfcber\n", 0o600);
    let large = with_mode(&dir, "large.toml", &vec![b'#'; 1024 * 1024 + 1], 0o600);
    let locked = with_mode(&dir, "locked.toml", b"", 0o000);
    let missing = dir.path().join("missing.toml");
    let mut cases = vec![
        (missing, "No such file"),
        (dir.path().to_owned(), "not a regular file"),
        (latin1, "utf-8"),
        (large, "larger than 1048576 bytes"),
    ];
    // The administrator may read everything.
    if std::fs::read(&locked).is_err() {
        cases.push((locked, "Permission denied"));
    }
    for (path, reason) in cases {
        let error = load(Some(&path), &[]).expect_err(reason);
        let message = error.to_string();
        assert!(message.contains(reason) && message.contains(path.to_str().unwrap()), "{message}");
        assert!(matches!(error, ConfigError::Unreadable { .. }), "{error:?}");
    }
}

#[test]
fn the_layer_at_fault_is_blamed() {
    let dir = TempDir::new().unwrap();
    let file = private(&dir, "shop.toml", "[serve]\nport = 70000\n");
    // A bad value that a stronger layer replaces is no error.
    assert_eq!(load(Some(&file), &[("SHOPTIDE_SERVE__PORT", "1")]).unwrap().serve.port, 1);
    let ConfigError::OutOfRange { origin, .. } = load(Some(&file), &[]).unwrap_err() else { panic!() };
    assert_eq!(origin, Origin::File { path: file, line: 2 });
}

#[test]
fn no_slip_of_the_pen_shows_the_secret() {
    let dir = TempDir::new().unwrap();
    let good = format!("[serve]\nport = 1\nwrite_key = \"{CANARY}\"\nmetrics = true\n");
    let canary = good.find(CANARY).unwrap();
    let try_load = |text: &str| {
        if let Err(error) = load(Some(&private(&dir, "shop.toml", text)), &[]) {
            assert_hides(&error);
        }
    };
    for at in (0..=canary).chain(canary + CANARY.len()..good.len()) {
        for slip in ["\"", "'", "=", "[", "]", "#", ".", ",", "\n", "\\", "\u{0}", "1", " = "] {
            try_load(&format!("{}{slip}{}", &good[..at], &good[at..]));
        }
        if at != canary {
            try_load(&format!("{}{}", &good[..at], &good[at + 1..]));
        }
        // The rest of the file is missing.
        try_load(&good[..at]);
    }
}
