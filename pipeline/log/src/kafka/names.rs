//! What topics are called in the cluster: `shop.browse`, that of the second generation `shop.browse.g2`, each behind the
//! shop's prefix. The catalogue has one partition for ever and so one generation.

use shoptide_schemas::Topic;

#[derive(Debug, Clone)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub(super) fn of(&self, topic: Topic, generation: u32) -> String {
        match generation {
            2.. if topic.is_user() => format!("{}{}.g{generation}", self.prefix, topic.name()),
            _ => format!("{}{}", self.prefix, topic.name()),
        }
    }

    /// What a name stands for: topic and generation.
    pub(super) fn topic(&self, name: &str) -> Option<(Topic, u32)> {
        let bare = name.strip_prefix(&self.prefix)?;
        if let Some(topic) = Topic::from_name(bare) {
            return Some((topic, 1));
        }
        let (base, generation) = bare.rsplit_once(".g")?;
        let topic = Topic::from_name(base).filter(|topic| topic.is_user())?;
        let generation = generation.parse().ok().filter(|generation| 2 <= *generation)?;
        // `g02` is nobody's.
        (self.of(topic, generation) == name).then_some((topic, generation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let names = Names::new("eu.");
        for generation in [1, 2, 17] {
            let name = names.of(Topic::Cart, generation);
            assert_eq!(names.topic(&name), Some((Topic::Cart, generation)), "{name}");
            assert_eq!(names.of(Topic::Catalogue, generation), "eu.shop.catalogue");
        }
        assert_eq!(names.of(Topic::Cart, 2), "eu.shop.cart.g2");
        for other in
            ["shop.cart", "eu.shop.cart.g1", "eu.shop.cart.g02", "eu.shop.cart.gx", "eu.shop.catalogue.g2"]
        {
            assert_eq!(names.topic(other), None, "{other}");
        }
    }
}
