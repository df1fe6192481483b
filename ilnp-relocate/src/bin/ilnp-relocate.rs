//! The operator's tool: moves a running virtual machine to another site.

fn main() {}
