//! News as tables: what comes in, what is asked for, which Locators there are.

mod addresses;
mod anything;
mod hints;
mod moves;
mod planned;
mod prefixes;
mod world;
