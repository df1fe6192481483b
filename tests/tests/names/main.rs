//! Names end to end on a real kernel: hosts that publish themselves at BIND, programs that find them
//! by name through the stub resolver of the daemon, and both while hosts move. Needs root; without
//! it every test fails at once and says so.

mod both_move;
mod finding;
mod publishing;
mod stage;
mod without;
