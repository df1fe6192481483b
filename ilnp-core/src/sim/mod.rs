//! A virtual clock and seeded links that drive nodes in tests.

pub mod link;
