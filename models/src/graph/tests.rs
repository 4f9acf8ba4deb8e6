use super::*;
use crate::matrix::Interactions;
use crate::ranking::ScoreItems;

fn data() -> Interactions {
    let row = |u: u32| (0..24u32).filter(move |i| (u * 5 + i * 3 + u * i) % 7 < 2).map(|i| (i, 1.0));
    Interactions::from_rows(24, (0..40).map(|u| row(u).collect())).unwrap()
}

#[test]
fn rp3beta_is_the_product_of_transition_matrices() {
    let data = data();
    let by_item = data.transpose();
    let has = |u: usize, i: usize| data.row(u).0.binary_search(&(i as u32)).is_ok();
    for (alpha, beta) in [(1.0, 0.0), (0.7, 0.4)] {
        let graph = fit_rp3beta(&data, &Rp3BetaParams::new(alpha, beta, alpha, 100).unwrap());
        for i in 0..24 {
            let (items, weights) = graph.row(i as u32);
            for (&j, &w) in items.iter().zip(weights) {
                let (di, dj) = (by_item.row(i).0.len() as f64, by_item.row(j as usize).0.len() as f64);
                let users = (0..40).filter(|&u| has(u, i) && has(u, j as usize));
                let walks: f64 = users
                    .map(|u| (1.0 / di).powf(alpha) * (1.0 / data.row(u).0.len() as f64).powf(alpha))
                    .sum();
                assert!((f64::from(w) - walks / dj.powf(beta)).abs() < 1e-6);
            }
        }
    }
    let bad = |a, b, u, k| Rp3BetaParams::new(a, b, u, k).is_err();
    assert!(
        bad(-0.1, 0.0, 0.0, 1)
            && bad(0.0, f64::NAN, 0.0, 1)
            && bad(0.0, 0.0, 3.0, 1)
            && bad(0.0, 0.0, 0.0, 0)
    );
}

#[test]
fn the_spectrum_has_the_eigenvalues_of_the_normalised_graph() {
    let data = data();
    let spectrum = Spectrum::of(&data, 1.0, 6, 5).unwrap();
    let n = spectrum.values.len();
    assert_eq!(n, 6);
    let by_item = data.transpose();
    // A = D^-½ Xᵀ D_u^-1 X D^-½, applied to each vector, must give it back times its value; the largest is 1.
    let entry = |i: usize, j: usize| -> f64 {
        let shared =
            (0..40).filter(|&u| [i, j].iter().all(|&x| data.row(u).0.binary_search(&(x as u32)).is_ok()));
        let sum: f64 = shared.map(|u| 1.0 / data.row(u).0.len() as f64).sum();
        sum / ((by_item.row(i).0.len() * by_item.row(j).0.len()).max(1) as f64).sqrt()
    };
    assert!((spectrum.values[0] - 1.0).abs() < 1e-4, "{:?}", spectrum.values);
    assert!(spectrum.values.windows(2).all(|w| w[1] <= w[0] + 1e-9));
    for k in 0..3 {
        let v = |i: usize| f64::from(spectrum.vectors[i * n + k]);
        let away: f64 = (0..24)
            .map(|i| ((0..24).map(|j| entry(i, j) * v(j)).sum::<f64>() - spectrum.values[k] * v(i)).powi(2))
            .sum();
        assert!(away.sqrt() < 2e-2, "{k}: {}", away.sqrt());
        assert!(((0..24).map(|i| v(i) * v(i)).sum::<f64>() - 1.0).abs() < 1e-4);
    }
}

#[test]
fn the_filter_is_the_sum_over_its_frequencies() {
    let data = data();
    let params = SpectralParams::new(4, 1.0, 0.5, 0.3, 1.0, 5).unwrap();
    let model = Spectral::fit(&data, &params).unwrap();
    let s = Spectrum::of(&data, 1.0, 4, 5).unwrap();
    let mut out = vec![0f32; 24];
    model.score(&[&[(3, 2.0)]], &mut out);
    for (j, out) in out.iter().enumerate() {
        let through: f64 = (0..4)
            .map(|k| {
                f64::from(s.vectors[3 * 4 + k]) * s.values[k] / s.values[0] * f64::from(s.vectors[j * 4 + k])
            })
            .sum();
        let want = 2.0 * s.degrees[3].powf(-0.5) * through * s.degrees[j].powf(0.3);
        assert!((f64::from(*out) - want).abs() < 1e-5, "{j}: {out} {want}");
    }
    let bad = |rank, sharp, source, target, user| {
        SpectralParams::new(rank, sharp, source, target, user, 0).is_err()
    };
    assert!(bad(0, 0.0, 0.0, 0.0, 0.0) && bad(1, -1.0, 0.0, 0.0, 0.0) && bad(1, 0.0, 2.0, 0.0, 0.0));
    assert!(bad(1, 0.0, 0.0, f64::NAN, 0.0) && bad(1, 0.0, 0.0, 0.0, 9.0));
}
