use super::*;
use crate::segments::named;

/// Users of `groups` tastes, five words each, one of them weaker; every fifth shops a lot.
fn sample(groups: u32, users: u32) -> Sample {
    let taste = |u: u32| {
        let weight = |i| if u / groups % 5 == i { 0.3 } else { 0.45 };
        let words = (0..5).map(|i| (u % groups * 5 + i, weight(i)));
        words.chain([(groups * 5 + u % 11, 0.1)]).collect()
    };
    let habits = |u: u32| {
        let mut habits = [0f32; HABITS];
        habits[1] = if u.is_multiple_of(5) { 5.0 } else { (u % 3) as f32 / 10.0 };
        habits
    };
    Sample { tastes: (0..users).map(taste).collect(), habits: (0..users).map(habits).collect() }
}

const TERMS: usize = 64;

fn term(number: u32) -> &'static str {
    ["wa", "wb", "wc", "wd", "we"][number as usize % 5]
}

fn params(k: Option<usize>, k_max: usize, habits: f64) -> SegmentParams {
    SegmentParams::new(k, 2, k_max, 8, habits, 1_000, 7).unwrap()
}

fn found(sample: &Sample, params: &SegmentParams, before: Option<usize>) -> Result<Found, SegmentError> {
    fit(sample, TERMS, term, params, before, &mut |_| ())
}

#[test]
fn tastes_are_found_and_everybody_is_assigned() {
    let sample = sample(4, 400);
    let found = found(&sample, &params(None, 8, 0.3), None).unwrap();
    assert_eq!(found.fitted.k(), 4, "{:?}", found.tried);
    let same = (0..400).map(|u| (u % 4, found.of[u as usize].unwrap()));
    assert_eq!(crate::segments::adjusted_rand(same), 1.0);
    for (taste, (habits, of)) in sample.tastes.iter().zip(sample.habits.iter().zip(&found.of)) {
        assert_eq!(found.fitted.assign(taste, habits), *of);
    }
    assert_eq!(found.centres.len(), 4);
    assert!(found.centres.iter().all(|c| !c.terms.is_empty() && c.terms.iter().all(|(_, lift)| 0.0 < *lift)));
}

#[test]
fn habits_count_as_much_as_they_are_told_to() {
    let sample = sample(2, 200);
    let by_taste = found(&sample, &params(Some(2), 8, 0.1), None).unwrap();
    assert!((0..200).all(|u| (by_taste.of[u] == by_taste.of[0]) == (u % 2 == 0)));
    let by_habit = found(&sample, &params(Some(2), 8, 10.0), None).unwrap();
    assert!((0..200).all(|u| (by_habit.of[u] == by_habit.of[0]) == (u % 5 == 0)));
}

#[test]
fn a_shop_that_says_nothing_of_its_items_has_habits_alone() {
    let mut sample = sample(2, 200);
    sample.tastes.iter_mut().for_each(Vec::clear);
    let found = found(&sample, &params(Some(2), 8, 0.1), None).unwrap();
    assert!((0..200).all(|u| (found.of[u] == found.of[0]) == (u % 5 == 0)));
    let names = named(&found.centres, &[None, None]);
    assert!(names.iter().any(|name| name.contains("frequent")), "{names:?}");
}

#[test]
fn the_number_of_before_stays_unless_another_is_clearly_better() {
    let sample = sample(4, 400);
    let free = found(&sample, &params(None, 8, 0.3), None).unwrap();
    let of = |k: usize| free.tried.iter().find(|(n, _)| *n == k).unwrap().1;
    assert!(K_MARGIN < of(4) - of(2));
    assert_eq!(found(&sample, &params(None, 8, 0.3), Some(2)).unwrap().fitted.k(), 4);
    assert_eq!(found(&sample, &params(Some(3), 8, 0.3), Some(4)).unwrap().fitted.k(), 3, "as configured");
}

#[test]
fn threads_do_not_show() {
    let sample = sample(3, 300);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let found = found(&sample, &params(None, 5, 0.3), None).unwrap();
            let bits: Vec<u32> = found.fitted.centres.iter().map(|x| x.to_bits()).collect();
            (bits, found.of, found.tried)
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn too_few_users_are_an_error_and_who_has_no_taste_no_segment() {
    let of = |tastes: Vec<Vec<(u32, f32)>>| Sample { habits: vec![[0.0; HABITS]; tastes.len()], tastes };
    let fit = |tastes| found(&of(tastes), &params(None, 4, 0.3), None);
    assert_eq!(fit(vec![]).unwrap_err(), SegmentError::TooFew { users: 0, k: 2 });
    assert_eq!(fit(vec![vec![(0, 1.0)]; 50]).unwrap_err(), SegmentError::TooFew { users: 1, k: 2 });
    let two = fit(vec![vec![(0, 1.0)], vec![], vec![(1, 1.0)]]).unwrap();
    assert_eq!((two.fitted.k(), two.of[1]), (2, None));
    assert_ne!(two.of[0], two.of[2]);
}
