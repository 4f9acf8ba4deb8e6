use super::*;
use crate::model::{PredictRating, Rated};
use crate::params::BadParam;
use crate::tune::{Point, Tunable};

fn rated(user: u32, item: u32, value: f32) -> Rated {
    Rated { user, item, value, at_s: 0 }
}

/// Users who like even items and users who like odd ones; each is missing one rating in four.
fn two_tastes() -> (Ratings, Vec<Rated>) {
    let all = (0..60u32).flat_map(|user| (0..24u32).map(move |item| (user, item)));
    let value = |user: u32, item: u32| if user % 2 == item % 2 { 4.5 } else { 1.5 + (item % 5) as f32 * 0.2 };
    let (test, train): (Vec<_>, Vec<_>) = all
        .map(|(user, item)| rated(user, item, value(user, item)))
        .partition(|r| (r.user * 7 + r.item * 3) % 4 == 0);
    (Ratings::new(60, 24, train).unwrap(), test)
}

fn rmse(model: &dyn PredictRating, test: &[Rated]) -> f32 {
    let squares: f32 = test.iter().map(|r| (model.predict(r.user, r.item) - r.value).powi(2)).sum();
    (squares / test.len() as f32).sqrt()
}

fn quick_mf(implicit: bool) -> MfParams {
    MfParams::new(8, 30, 0.05, 0.98, 0.01, 0.01, implicit, 3).unwrap()
}

fn quick_bayes() -> BayesParams {
    BayesParams::new(3, 40, 12, true, true, 3).unwrap()
}

#[test]
fn tastes_that_biases_cannot_tell_are_learned() {
    let (train, test) = two_tastes();
    let biases = MfParams::new(0, 30, 0.05, 0.98, 0.01, 0.01, false, 3).unwrap();
    assert!(1.0 < rmse(&BiasedMf::fit(&train, &biases, &mut |_| {}), &test));
    for implicit in [false, true] {
        let mut losses = vec![];
        let model = BiasedMf::fit(&train, &quick_mf(implicit), &mut |p| losses.extend(p.loss));
        assert!(rmse(&model, &test) < 0.3, "{implicit}: {}", rmse(&model, &test));
        assert!(losses[29] < losses[0] / 4.0);
        assert_eq!(model, BiasedMf::fit(&train, &quick_mf(implicit), &mut |_| {}));
    }
    assert!(rmse(&BayesMf::fit(&train, &quick_bayes(), &mut |_| {}), &test) < 0.3);
}

#[test]
fn threads_change_no_byte() {
    let (train, _) = two_tastes();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| BayesMf::fit(&train, &quick_bayes(), &mut |_| {}))
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn only_what_was_rated_can_help_when_values_say_nothing() {
    // Every user gives one value to all his items; who rates items of the first half gives 5, else 1. A new user's
    // ratings are only his choice of items: the value of the rated one is left out.
    let half = |user: u32| (0..6u32).map(move |i| (user % 2) * 6 + (i + user / 2) % 6);
    let train = (0..80u32)
        .flat_map(|u| half(u).take(4).map(move |i| rated(u, i, if u % 2 == 0 { 5.0 } else { 1.0 })));
    let train = Ratings::new(80, 12, train).unwrap();
    let params = BayesParams::new(2, 40, 12, true, true, 1).unwrap();
    let model = BayesMf::fit(&train, &params, &mut |_| {});
    assert!(model.predict(0, 11) < 5.0 && model.predict(200, 7) + 2.0 < model.predict(200, 1));
}

#[test]
fn a_stream_is_learned_rating_by_rating() {
    let (train, test) = two_tastes();
    for implicit in [false, true] {
        let mut model = BiasedMf::new(quick_mf(implicit), train.scale());
        assert_eq!(model.predict(0, 0), 3.0);
        for _ in 0..30 {
            train.iter().for_each(|r| model.learn(&r).unwrap());
        }
        assert_eq!((model.n_users(), model.n_items()), (60, 24));
        assert!(rmse(&model, &test) < 0.4, "{implicit}: {}", rmse(&model, &test));
        let before = model.clone();
        assert!(matches!(model.learn(&rated(0, 0, f32::NAN)), Err(NotLearned::Value { .. })));
        assert!(matches!(model.learn(&rated(0, 0, 9.0)), Err(NotLearned::Value { .. })));
        let far = model.learn(&rated(0, u32::MAX, 3.0));
        assert!(matches!(far, Err(NotLearned::Index { side: "item", .. })));
        assert_eq!(model, before);
    }
}

#[test]
fn learning_goes_on_after_a_batch() {
    let (train, _) = two_tastes();
    let mut model = BiasedMf::fit(&train, &quick_mf(true), &mut |_| {});
    for _ in 0..20 {
        (0..12).for_each(|i| model.learn(&rated(60, 2 * i, 4.5)).unwrap());
    }
    assert!(4.0 < model.predict(60, 2) && model.predict(61, 2) < 4.0);
}

#[test]
fn the_blend_is_no_worse_than_its_best_member_on_the_cut() {
    let (train, test) = two_tastes();
    let mut trials = vec![];
    let mut left = 2;
    let params = BlendParams::new(9, 5).unwrap();
    let go_on = &mut || {
        left -= 1;
        0 <= left
    };
    let model = best(&train, &params, go_on, &mut |trial| trials.push(*trial));
    assert_eq!(trials.len(), 3);
    assert!(trials.iter().all(|trial| model.rmse() <= trial.rmse));
    assert!((model.members().map(|m| m.0).sum::<f32>() - 1.0).abs() < 1e-6);
    assert!(rmse(&model, &test) < 0.3);
}

#[test]
fn odd_data_gives_finite_predictions_within_the_scale() {
    let many = |of: &[(u32, u32, f32)]| of.iter().map(|&(u, i, v)| rated(u, i, v)).collect::<Vec<_>>();
    let cases = [
        ("nothing", 0, 0, vec![]),
        ("nobody", 0, 3, vec![]),
        ("nothing rated", 3, 3, vec![]),
        ("one user, one item", 1, 1, many(&[(0, 0, 4.0)])),
        ("all the same item", 4, 2, many(&[(0, 1, 1.0), (1, 1, 5.0), (2, 1, 3.0)])),
        ("a user with every item", 2, 4, (0..4).map(|i| rated(1, i, i as f32)).collect()),
        ("duplicates", 1, 1, many(&[(0, 0, 1.0), (0, 0, 5.0), (0, 0, 2.0)])),
        ("all the same value", 3, 3, (0..9).map(|n| rated(n / 3, n % 3, -7.5)).collect()),
        ("far apart", 2, 2, many(&[(0, 0, -1e6), (0, 1, 1e6), (1, 0, 1e6)])),
        ("tiny", 2, 2, many(&[(0, 0, 1e-40), (1, 1, 2e-40)])),
    ];
    for (name, n_users, n_items, ratings) in cases {
        let ratings = Ratings::new(n_users, n_items, ratings).unwrap();
        let wild = |implicit| MfParams::new(8, 20, 0.2, 1.0, 0.0, 0.0, implicit, 1).unwrap();
        let models: [(&str, Box<dyn PredictRating>); 5] = [
            ("plain", Box::new(BiasedMf::fit(&ratings, &wild(false), &mut |_| {}))),
            ("svdpp", Box::new(BiasedMf::fit(&ratings, &wild(true), &mut |_| {}))),
            ("bayes", Box::new(BayesMf::fit(&ratings, &quick_bayes(), &mut |_| {}))),
            (
                "biases",
                Box::new(BayesMf::fit(
                    &ratings,
                    &BayesParams::new(0, 5, 1, false, true, 1).unwrap(),
                    &mut |_| {},
                )),
            ),
            ("blend", Box::new(Blend::fit(&ratings, &BlendParams::new(2, 1).unwrap(), &mut |_| {}))),
        ];
        for (model, predict) in models {
            for (user, item) in [(0, 0), (1, 1), (0, u32::MAX), (u32::MAX, 0), (u32::MAX, u32::MAX)] {
                let value = predict.predict(user, item);
                let scale = ratings.scale();
                assert!((scale.low()..=scale.high()).contains(&value), "{name}, {model}: {value}");
            }
        }
    }
}

#[test]
fn a_pair_counts_by_its_last_value() {
    let r = Ratings::new(1, 2, [rated(0, 0, 1.0), rated(0, 1, 2.0), rated(0, 0, 4.0)]).unwrap();
    assert_eq!((r.of_user(0), r.len(), r.mean()), ((&[0, 1][..], &[4.0, 2.0][..]), 2, 3.0));
    assert_eq!(r.of_user(5), (&[][..], &[][..]));
}

#[test]
fn what_cannot_be_learned_from_is_named() {
    let of = |r| Ratings::new(2, 3, [rated(0, 0, 1.0), r]).unwrap_err();
    assert_eq!(of(rated(2, 0, 1.0)), RatingsError::UserRange { index: 1, user: 2, n_users: 2 });
    assert_eq!(of(rated(0, 3, 1.0)), RatingsError::ItemRange { index: 1, item: 3, n_items: 3 });
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.1e6] {
        assert!(matches!(of(rated(0, 0, value)), RatingsError::Value { index: 1, .. }));
    }
    for (low, high) in [(2.0, 1.0), (f32::NAN, 1.0), (0.0, f32::INFINITY)] {
        assert!(matches!(Scale::new(low, high), Err(RatingsError::Scale { .. })));
    }
}

#[test]
fn every_bound_is_named() {
    let message = |r: Result<String, BadParam>| r.unwrap_err().to_string();
    let mf = |rank, epochs, rate, decay, b, f| {
        message(MfParams::new(rank, epochs, rate, decay, b, f, true, 0).map(|p| format!("{p:?}")))
    };
    assert_eq!(mf(513, 1, 0.1, 1.0, 0.1, 0.1), "mf.rank is 513, expected 0 to 512");
    assert_eq!(mf(1, 0, 0.1, 1.0, 0.1, 0.1), "mf.epochs is 0, expected 1 to 1000");
    assert_eq!(mf(1, 1, f64::NAN, 1.0, 0.1, 0.1), "mf.rate is NaN, expected 1e-6 to 0.2");
    assert_eq!(mf(1, 1, 0.1, 1.1, 0.1, 0.1), "mf.rate_decay is 1.1, expected 0.1 to 1");
    assert_eq!(mf(1, 1, 0.1, 1.0, -0.1, 0.1), "mf.reg_bias is -0.1, expected 0 to 1");
    assert_eq!(mf(1, 1, 0.1, 1.0, 0.1, 2.0), "mf.reg_factors is 2, expected 0 to 1");
    let bayes = |rank, sweeps, kept| {
        message(BayesParams::new(rank, sweeps, kept, true, true, 0).map(|p| format!("{p:?}")))
    };
    assert_eq!(bayes(65, 10, 1), "bayes.rank is 65, expected 0 to 64");
    assert_eq!(bayes(1, 4, 1), "bayes.sweeps is 4, expected 5 to 2000");
    assert_eq!(bayes(1, 10, 0), "bayes.kept is 0, expected 1 to 200");
    let blend = message(BlendParams::new(0, 0).map(|p| format!("{p:?}")));
    assert_eq!(blend, "blend.trials is 0, expected 1 to 200");
    assert_eq!(MfParams::at(&Point::new()), Ok(MfParams::svdpp(0)));
    assert_eq!(BayesParams::at(&Point::new()), Ok(BayesParams::standard(0)));
    assert_eq!(BlendParams::at(&Point::new()), Ok(BlendParams::standard(0)));
}
