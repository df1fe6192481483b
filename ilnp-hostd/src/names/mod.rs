//! Names: this host's own, and those that its applications look up.

pub mod install;
