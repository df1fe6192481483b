//! The demonstration: one host moves between two sites under real programs.

use crate::scenario::{LoadError, Scenario, parse};

const TEXT: &str = include_str!("../scenarios/demo.toml");

/// The scenario of the demonstration, `scenarios/demo.toml`.
///
/// # Errors
/// [`LoadError::Wrong`] when the file that was compiled in is wrong.
pub fn scenario() -> Result<Scenario, LoadError> {
    parse(TEXT, "scenarios/demo.toml")
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
        assert!(scenario().is_ok());
    }
}
