//! The mappings that ship with the program.

/// Name and text of each.
pub const NAMED_MAPPINGS: [(&str, &str); 7] = [
    ("retailrocket", include_str!("../../../config/mappings/retailrocket.toml")),
    ("tmall", include_str!("../../../config/mappings/tmall.toml")),
    ("rees46", include_str!("../../../config/mappings/rees46.toml")),
    ("online-retail", include_str!("../../../config/mappings/online-retail.toml")),
    ("otto", include_str!("../../../config/mappings/otto.toml")),
    ("movielens", include_str!("../../../config/mappings/movielens.toml")),
    ("serenade", include_str!("../../../config/mappings/serenade.toml")),
];

pub(crate) fn named(name: &str) -> Option<&'static str> {
    NAMED_MAPPINGS.into_iter().find(|(known, _)| *known == name).map(|(_, text)| text)
}
