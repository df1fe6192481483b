//! The demonstration: one host moves between two sites under real programs.

use crate::scenario::{LoadError, Scenario, parse};

/// Over plain IPv6 and over ILNP: the host's sessions go on.
const MOVES: &str = include_str!("../scenarios/demo.toml");

/// The scenarios of the demonstration, in their order.
///
/// # Errors
/// [`LoadError::Wrong`] when a file that was compiled in is wrong.
pub fn scenarios() -> Result<Vec<Scenario>, LoadError> {
    Ok(vec![parse(MOVES, "scenarios/demo.toml")?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::load;

    #[test]
    fn every_scenario_in_the_folder_is_valid() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if let Err(error) = load(&path) {
                panic!("{error}");
            }
            count += 1;
        }
        assert!(count > 0);
        assert!(scenarios().is_ok());
    }
}
