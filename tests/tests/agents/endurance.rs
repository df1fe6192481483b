//! Moves there and back, with faults at moments that chance chooses.

use tests::relocation::endurance::endure;

#[test]
fn a_guest_endures_every_kind_of_fault() {
    let tally = endure(10, 8, 1).unwrap();
    println!("{}", tally.text());
    assert_eq!(tally.losses, [""; 0]);
    assert_eq!((tally.moves, tally.faults), (10, 8));
}
