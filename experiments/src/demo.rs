//! The demonstration: a running virtual machine moves to another site under real programs, and a
//! host that moves is found by name.

use crate::scenario::{LoadError, Scenario, parse};

/// Over plain IPv6 and over ILNP: the machine's sessions go on.
const RELOCATE: &str = include_str!("../scenarios/relocate.toml");
/// Over ILNP: it is found by name, before and after it moves.
const NAMES: &str = include_str!("../scenarios/names.toml");

/// The scenarios of the demonstration, `scenarios/relocate.toml` and `scenarios/names.toml`, in their
/// order.
///
/// # Errors
/// [`LoadError::Wrong`] when a file that was compiled in is wrong.
pub fn scenarios() -> Result<[Scenario; 2], LoadError> {
    Ok([
        parse(RELOCATE, "scenarios/relocate.toml")?,
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
