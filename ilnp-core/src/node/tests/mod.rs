//! What the node does, rule by rule.

mod classic;
mod errors;
mod fence;
mod idle;
mod limits;
mod moves;
mod names;
mod received;
mod restart;
mod sessions;
mod support;
mod updates;
