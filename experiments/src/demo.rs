//! The demonstration: one host moves between two sites under real programs, and is found by name.

use crate::scenario::{LoadError, Scenario, parse};

/// Over plain IPv6 and over ILNP: the host's sessions go on.
const MOVES: &str = include_str!("../scenarios/demo.toml");
/// Over ILNP: it is found by name, before and after it moves.
const NAMES: &str = include_str!("../scenarios/names.toml");

/// The scenarios of the demonstration, `scenarios/demo.toml` and `scenarios/names.toml`, in their
/// order.
///
/// # Errors
/// [`LoadError::Wrong`] when a file that was compiled in is wrong.
pub fn scenarios() -> Result<[Scenario; 2], LoadError> {
    Ok([
        parse(MOVES, "scenarios/demo.toml")?,
        parse(NAMES, "scenarios/names.toml")?,
    ])
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
