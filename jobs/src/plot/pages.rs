//! What is drawn of an evaluation: models beside each other, quality over time, and every trial of a search.

use super::PlotError;
use super::chart::{Mark, Panel, Series, draw};
use crate::evaluate::{Report, Tried};

/// Panels of parameters on a page: those of the models that did best come first.
const PARAMETER_PANELS_MAX: usize = 24;
/// Metrics whose models are compared.
const METRICS_MAX: usize = 3;
/// Trials of a model that make a panel: fewer show nothing.
const TRIALS_MIN: usize = 3;

/// What the trials of a search are scored by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    pub name: &'static str,
    /// Scores are of an error, turned round: drawn as the error.
    pub is_error: bool,
}

/// A page of an evaluation: of a stream quality over time, else models beside each other; then the trials, if any.
///
/// # Errors
/// [`PlotError`] if the drawing fails; there is no data that should make it.
pub fn of_report(report: &Report, measure: Measure) -> Result<String, PlotError> {
    let names: Vec<&str> = report.rows.iter().map(|row| row.model.as_str()).collect();
    let mut panels = over_time(report);
    if panels.is_empty() {
        panels = beside(report);
    }
    let tried: Vec<Tried> = report.rows.iter().flat_map(|row| row.tried.iter().cloned()).collect();
    panels.extend(trials(&tried, measure));
    let sizes: Vec<String> =
        report.sizes.iter().map(|(what, n)| format!("{} {n}", what.replace('_', " "))).collect();
    draw(&format!("{}: {}", names.join(", "), sizes.join(", ")), &panels)
}

/// A page of one search.
///
/// # Errors
/// As [`of_report`].
pub fn of_trials(title: &str, tried: &[Tried], measure: Measure) -> Result<String, PlotError> {
    draw(title, &trials(tried, measure))
}

/// Running mean and windows of each model of a stream.
fn over_time(report: &Report) -> Vec<Panel> {
    let tests = report.sizes.get("tests").copied().unwrap_or(0);
    let mut series = Vec::new();
    for (colour, row) in report.rows.iter().filter(|row| !row.windows.is_empty()).enumerate() {
        let ends = (1..=row.windows.len()).map(|n| (tests * n) as f64 / row.windows.len() as f64);
        let of = |values: &[f64]| ends.clone().zip(values.iter().copied()).collect::<Vec<_>>();
        let mean = format!("{}, mean so far", row.model);
        series.push(Series { name: mean, colour, mark: Mark::Line, points: of(&row.running) });
        let each = format!("{}, each window", row.model);
        series.push(Series { name: each, colour, mark: Mark::Rings, points: of(&row.windows) });
    }
    if series.is_empty() {
        return Vec::new();
    }
    let k = report.k.unwrap_or(0);
    vec![Panel {
        title: "Quality over time".to_owned(),
        x: "tests so far, in the order of time".to_owned(),
        y: format!("recall@{k}"),
        wide: true,
        series,
    }]
}

/// The first metrics, a bar a model.
fn beside(report: &Report) -> Vec<Panel> {
    let names = report.rows.first().map_or(Vec::new(), |row| row.metrics.iter().map(|m| &m.0).collect());
    let one = |name: &String| {
        let of = |row: &crate::evaluate::Row| row.metrics.iter().find(|m| m.0 == *name).map(|m| m.1);
        let values = report.rows.iter().enumerate().filter_map(|(at, row)| Some((at, row, of(row)?)));
        Panel {
            title: name.clone(),
            x: name.clone(),
            y: "model".to_owned(),
            wide: false,
            series: values
                .map(|(at, row, value)| Series {
                    name: row.model.clone(),
                    colour: at,
                    mark: Mark::Bar,
                    points: vec![(value, -(at as f64))],
                })
                .collect(),
        }
    };
    names.into_iter().take(METRICS_MAX).map(one).collect()
}

/// Value by trial, then value by each parameter.
fn trials(tried: &[Tried], measure: Measure) -> Vec<Panel> {
    let value = |one: &Tried| if measure.is_error { -one.score } else { one.score };
    let better = |a: f64, b: f64| if measure.is_error { a.min(b) } else { a.max(b) };
    let mut models: Vec<(&str, Vec<&Tried>)> = Vec::new();
    for one in tried.iter().filter(|one| one.score.is_finite()) {
        match models.iter_mut().find(|(name, _)| *name == one.model) {
            Some((_, of)) => of.push(one),
            None => models.push((&one.model, vec![one])),
        }
    }
    if models.is_empty() {
        return Vec::new();
    }
    let y = format!("{} on the validation cut", measure.name);
    let mut series = Vec::new();
    for (colour, (name, of)) in models.iter().enumerate() {
        let mut best: Option<f64> = None;
        let mut so_far = Vec::new();
        for (at, one) in of.iter().enumerate().filter(|(_, one)| one.finished) {
            let now = best.map_or(value(one), |best| better(best, value(one)));
            // A step, not a slope: nothing lies between two trials.
            so_far.extend(best.map(|before| ((at + 1) as f64, before)));
            so_far.push(((at + 1) as f64, now));
            best = Some(now);
        }
        if let Some(best) = best {
            so_far.push((of.len() as f64, best));
        }
        series.push(Series {
            name: format!("{name}, best so far"),
            colour,
            mark: Mark::Line,
            points: so_far,
        });
        for (finished, mark, what) in
            [(true, Mark::Dots, "each trial"), (false, Mark::Rings, "stopped early")]
        {
            let points: Vec<(f64, f64)> = of
                .iter()
                .enumerate()
                .filter(|(_, one)| one.finished == finished)
                .map(|(at, one)| ((at + 1) as f64, value(one)))
                .collect();
            if !points.is_empty() {
                series.push(Series { name: format!("{name}, {what}"), colour, mark, points });
            }
        }
    }
    let title = "Quality by trial; those stopped early were measured on a part of the cut".to_owned();
    let x = "trial of its model".to_owned();
    let mut panels = vec![Panel { title, x, y: y.clone(), wide: true, series }];
    let worth = |of: &[&Tried]| of.iter().map(|one| one.score).fold(f64::NEG_INFINITY, f64::max);
    let mut ranked: Vec<(usize, &(&str, Vec<&Tried>))> = models.iter().enumerate().collect();
    ranked.sort_by(|a, b| worth(&b.1.1).total_cmp(&worth(&a.1.1)));
    let by_parameter =
        ranked.into_iter().filter(|(_, (_, of))| TRIALS_MIN <= of.len()).flat_map(|(colour, (name, of))| {
            let parameters: std::collections::BTreeSet<&String> =
                of.iter().flat_map(|one| one.point.keys()).collect();
            let y = &y;
            parameters.into_iter().map(move |parameter| {
                let points = |finished: bool| -> Vec<(f64, f64)> {
                    let of = of.iter().filter(|one| one.finished == finished);
                    of.filter_map(|one| Some((*one.point.get(parameter)?, value(one)))).collect()
                };
                let series = [(false, Mark::Rings), (true, Mark::Dots)];
                Panel {
                    title: format!("{name}: {parameter}"),
                    x: parameter.clone(),
                    y: y.clone(),
                    wide: false,
                    series: series
                        .map(|(finished, mark)| Series {
                            name: String::new(),
                            colour,
                            mark,
                            points: points(finished),
                        })
                        .to_vec(),
                }
            })
        });
    panels.extend(by_parameter.take(PARAMETER_PANELS_MAX));
    panels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Row;

    const RECALL: Measure = Measure { name: "recall + NDCG", is_error: false };

    fn tried(model: &str, k: f64, score: f64, finished: bool) -> Tried {
        Tried { model: model.to_owned(), point: [("k".to_owned(), k)].into(), score, finished }
    }

    fn row(model: &str, recall: f64) -> Row {
        Row {
            model: model.to_owned(),
            metrics: vec![("recall@5".to_owned(), recall), ("NDCG@5".to_owned(), recall / 2.0)],
            train_s: 0.0,
            query_us: 0.0,
            rss_mb: None,
            params: Default::default(),
            exclude_current: None,
            tuned: None,
            windows: Vec::new(),
            running: Vec::new(),
            tried: Vec::new(),
            more: Default::default(),
        }
    }

    fn report(rows: Vec<Row>) -> Report {
        let sizes = [("tests", 100), ("train_pairs", 7)].into();
        Report { protocol: String::new(), k: Some(5), seed: 1, sizes, notes: Vec::new(), rows }
    }

    #[test]
    fn a_stream_is_drawn_over_time_with_a_legend() {
        let of = |model| Row { windows: vec![0.2, 0.4], running: vec![0.2, 0.3], ..row(model, 0.3) };
        let svg = of_report(&report(vec![of("hybrid"), of("popularity")]), RECALL).unwrap();
        let said = [
            "Quality over time",
            "tests so far, in the order of time",
            "recall@5",
            "hybrid, popularity: tests 100, train pairs 7",
            "hybrid, mean so far",
            "popularity, each window",
        ];
        for said in said {
            assert!(svg.contains(said), "{said}: {svg}");
        }
        assert!(svg.contains("\n50\n") && svg.contains("\n100\n"), "ticks count tests: {svg}");
        assert_eq!(svg, of_report(&report(vec![of("hybrid"), of("popularity")]), RECALL).unwrap());
    }

    #[test]
    fn models_stand_beside_each_other_with_their_values() {
        let svg = of_report(&report(vec![row("als", 0.25), row("ease", 0.5)]), RECALL).unwrap();
        for said in ["recall@5", "NDCG@5", "als 0.25", "ease 0.5", "als 0.125", "model"] {
            assert!(svg.contains(said), "{said}: {svg}");
        }
        assert!(!svg.contains("trial"), "no search, no trials: {svg}");
    }

    #[test]
    fn every_trial_is_drawn_by_number_and_by_parameter() {
        let trials =
            [tried("als", 1.0, 0.1, true), tried("als", 50.0, 0.3, true), tried("als", 9.0, 0.2, false)];
        let svg = of_trials("a search", &trials, RECALL).unwrap();
        for said in [
            "a search",
            "trial of its model",
            "recall + NDCG on the validation cut",
            "als, best so far",
            "als, stopped early",
            "als: k",
            "k, logarithmic",
        ] {
            assert!(svg.contains(said), "{said}: {svg}");
        }
        // Each trial twice; the legend has one of each kind.
        assert_eq!(svg.matches("<circle").count(), 2 * trials.len() + 2, "{svg}");
        let failed = of_trials("none", &[tried("als", 1.0, f64::NAN, false)], RECALL).unwrap();
        assert!(failed.contains("none") && !failed.contains("<circle"));
    }

    #[test]
    fn an_error_is_drawn_as_it_is_and_its_least_is_the_best() {
        let rmse = Measure { name: "RMSE", is_error: true };
        let trials =
            [tried("mf", 1.0, -0.9, true), tried("mf", 2.0, -0.8, true), tried("mf", 3.0, -0.85, true)];
        let of = |tried: &[Tried]| trials_of(tried, rmse);
        let best = of(&trials).iter().map(|p| p.1).collect::<Vec<_>>();
        assert_eq!(best, [0.9, 0.9, 0.8, 0.8, 0.8, 0.8]);
    }

    fn trials_of(tried: &[Tried], measure: Measure) -> Vec<(f64, f64)> {
        super::trials(tried, measure)[0].series[0].points.clone()
    }

    #[test]
    fn a_page_has_an_end() {
        let many: Vec<Tried> = (0..40)
            .flat_map(|model| {
                (0..3).map(move |n| tried(&format!("m{model}"), f64::from(n), f64::from(model), true))
            })
            .collect();
        let panels = super::trials(&many, RECALL);
        assert_eq!(panels.len(), 1 + PARAMETER_PANELS_MAX);
        assert_eq!(panels[1].title, "m39: k", "the best model comes first");
        of_trials("many", &many, RECALL).unwrap();
    }
}
