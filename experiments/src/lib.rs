//! `ilnp-lab`: sites, links, hosts and moves in network namespaces, with real programs as
//! workloads, and measurements of what a move costs them.

pub mod clock;
pub mod daemon;
pub mod demo;
pub mod error;
pub mod interrupt;
pub mod lab;
pub mod link;
pub mod measure;
pub mod process;
pub mod report;
pub mod run;
pub mod scenario;
pub mod topology;
pub mod workload;
