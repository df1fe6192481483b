//! Writes to every page of some memory, again and again, as fast as it can: no copy of a guest in which
//! this runs converges.

use std::hint::black_box;

/// What is written to. A machine of 192 MiB has it to spare.
const SIZE: usize = 48 << 20;
const PAGE: usize = 4096;

fn main() {
    let mut memory = vec![0_u8; SIZE];
    let mut round = 0_u8;
    loop {
        // A page of zeroes would not be copied.
        round = round.checked_add(1).unwrap_or(1);
        for page in memory.chunks_exact_mut(PAGE) {
            page[0] = round;
        }
        black_box(&mut memory);
    }
}
