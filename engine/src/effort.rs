//! How much is done for each exchange: less when the governor says that rover takes too much.

/// What is given up, each level with all before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    #[default]
    Full,
    /// Bodies whose framing lies within them are not copied to their end: their sizes are unknown, flagged `gap`.
    WithoutBodies,
    /// The hooks on packets are detached: no figures of the layers below TCP.
    WithoutLayers,
    /// Of the connections only a sample is followed.
    Sampled,
}

impl Effort {
    /// Of a number from outside; more than the last level is the last level.
    pub fn from_level(level: u8) -> Effort {
        match level {
            0 => Effort::Full,
            1 => Effort::WithoutBodies,
            2 => Effort::WithoutLayers,
            _ => Effort::Sampled,
        }
    }
}

/// One of so many connections is followed while they are sampled.
const ONE_OF: u64 = 8;

/// Whether a connection is in the sample: a matter of its number alone, so that all of its operations agree.
pub fn is_in_sample(cookie: u64) -> bool {
    (cookie.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).is_multiple_of(ONE_OF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_eighth_connection_is_followed() {
        let followed = (1..=80_000).filter(|cookie| is_in_sample(*cookie)).count();
        assert!((9_000..11_000).contains(&followed), "{followed}");
    }

    #[test]
    fn levels_come_in_order() {
        let levels: Vec<Effort> = (0..5).map(Effort::from_level).collect();
        assert!(levels.is_sorted());
        assert_eq!(levels.last(), Some(&Effort::Sampled));
    }
}
