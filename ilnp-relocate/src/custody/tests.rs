//! Orders that come late, twice, or from someone else.

use super::{Action, Custody, Input, Kind, Message, Record, Refusal, Standing};
use crate::channel::RelocationId;
use crate::site::Site;

fn site(name: &str) -> Site {
    name.parse().unwrap()
}

fn relocation(number: u8) -> RelocationId {
    format!("{number:032x}").parse().unwrap()
}

fn message(number: u8, epoch: u64, kind: Kind) -> Message {
    Message {
        relocation: relocation(number),
        epoch,
        kind,
    }
}

fn custody(epoch: u64, standing: Standing) -> Custody {
    Custody::restore(Record { epoch, standing }).0
}

fn received(custody: &mut Custody, from: &str, message: Message) -> Result<Vec<Action>, Refusal> {
    custody.handle(Input::Received(site(from), message))
}

fn refused(custody: &mut Custody, from: &str, message: Message) {
    let before = custody.clone();
    let refusal = received(custody, from, message).unwrap_err();
    assert!(matches!(refusal, Refusal::Order { .. }), "{refusal}");
    assert_eq!(*custody, before);
}

/// A source that has handed relocation 1, epoch 2, over to b.
fn handed_over() -> Custody {
    custody(
        2,
        Standing::HandedOver {
            relocation: relocation(1),
            to: site("b"),
        },
    )
}

/// A target that is ready for relocation 1, epoch 2, from a.
fn incoming() -> Custody {
    let mut target = custody(0, Standing::None);
    received(&mut target, "a", message(1, 2, Kind::Offer)).unwrap();
    target.handle(Input::Prepared).unwrap();
    target
}

#[test]
fn a_hand_over_is_undone_by_nobody_but_the_target() {
    for (from, order) in [
        ("c", message(1, 2, Kind::Refused)),
        ("c", message(1, 2, Kind::Running)),
        ("b", message(2, 2, Kind::Refused)),
        ("b", message(1, 1, Kind::Refused)),
        ("b", message(1, 3, Kind::Refused)),
        ("b", message(1, 3, Kind::Running)),
        ("b", message(1, 2, Kind::Declined)),
        ("b", message(1, 2, Kind::Ready)),
    ] {
        refused(&mut handed_over(), from, order);
    }
    let mut source = handed_over();
    assert!(matches!(
        source.handle(Input::Fail),
        Err(Refusal::HandedOver { .. })
    ));
    let actions = received(&mut source, "b", message(1, 2, Kind::Refused)).unwrap();
    assert_eq!(actions.last(), Some(&Action::Resume));
    assert_eq!(source.record().standing, Standing::Mine { by: None });
}

#[test]
fn a_commit_of_anybody_else_or_any_other_attempt_moves_nothing() {
    for (from, order) in [
        ("c", message(1, 2, Kind::Commit)),
        ("a", message(2, 2, Kind::Commit)),
        ("a", message(1, 3, Kind::Commit)),
        ("c", message(1, 2, Kind::Abort)),
        ("a", message(1, 1, Kind::Abort)),
        ("a", message(2, 2, Kind::Abort)),
    ] {
        refused(&mut incoming(), from, order);
    }
}

#[test]
fn a_commit_alone_or_a_state_alone_starts_nothing() {
    let mut target = incoming();
    let commit = message(1, 2, Kind::Commit);
    assert_eq!(received(&mut target, "a", commit), Ok(vec![]));
    assert_eq!(received(&mut target, "a", commit), Ok(vec![]));
    let actions = target.handle(Input::Loaded).unwrap();
    assert!(
        matches!(
            actions.as_slice(),
            [Action::Journal(_), Action::Resume, Action::Send(..)]
        ),
        "{actions:?}"
    );
    let mut target = incoming();
    assert_eq!(target.handle(Input::Loaded), Ok(vec![]));
    let actions = received(&mut target, "a", commit).unwrap();
    assert_eq!(actions.get(1), Some(&Action::Resume));
}

#[test]
fn a_played_back_relocation_is_declined() {
    let mut target = incoming();
    target.handle(Input::Fail).unwrap();
    for number in [1, 2] {
        let offer = message(number, 2, Kind::Offer);
        let actions = received(&mut target, "a", offer).unwrap();
        assert!(
            matches!(actions.as_slice(), [Action::Decline(..)]),
            "{actions:?}"
        );
    }
    let actions = received(&mut target, "a", message(1, 2, Kind::Commit)).unwrap();
    assert_eq!(
        actions,
        [Action::Send(site("a"), message(1, 2, Kind::Refused))]
    );
}

#[test]
fn an_unknown_commit_is_refused_for_good() {
    let mut target = custody(0, Standing::None);
    let actions = received(&mut target, "a", message(1, 2, Kind::Commit)).unwrap();
    assert!(matches!(actions.as_slice(),
        [Action::Journal(_), Action::Send(_, told)] if told.kind == Kind::Refused));
    let offer = received(&mut target, "a", message(1, 2, Kind::Offer)).unwrap();
    assert!(
        matches!(offer.as_slice(), [Action::Decline(..)]),
        "{offer:?}"
    );
}

#[test]
fn a_guest_that_has_moved_on_was_taken() {
    let mut target = custody(
        3,
        Standing::Released {
            relocation: relocation(2),
            to: site("c"),
        },
    );
    let actions = received(&mut target, "a", message(1, 2, Kind::Commit)).unwrap();
    assert_eq!(
        actions,
        [Action::Send(site("a"), message(1, 2, Kind::Running))]
    );
}

#[test]
fn a_second_operator_hears_of_the_first() {
    let mut source = custody(1, Standing::Mine { by: None });
    let order = |number, to| Input::Move {
        relocation: relocation(number),
        to: site(to),
    };
    source.handle(order(1, "b")).unwrap();
    let refusal = source.handle(order(2, "c")).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::BeingMoved {
            relocation: relocation(1),
            to: site("b")
        }
    );
}

#[test]
fn a_guest_starts_where_it_has_never_been_and_nowhere_else() {
    let mut new = custody(0, Standing::None);
    assert!(new.take().is_ok());
    assert!(new.take().is_err());
    let mut gone = custody(
        2,
        Standing::Released {
            relocation: relocation(1),
            to: site("b"),
        },
    );
    let refusal = gone.take().unwrap_err();
    assert_eq!(refusal, Refusal::NotHere("it has moved away"));
}

#[test]
fn a_number_that_was_taken_is_not_used_again() {
    let here = || custody(4, Standing::Mine { by: None });
    let mut source = here();
    let actions = source.take_number().unwrap();
    assert_eq!(actions, [Action::Journal(source.record().clone())]);
    assert_eq!(source.record().epoch, 5);
    assert!(source.is_at_rest());
    let to = site("b");
    let offer = Input::Move {
        relocation: relocation(1),
        to,
    };
    source.handle(offer).unwrap();
    assert_eq!(source.record().epoch, 6);
    // Only what is here and at rest has numbers to take.
    let before = source.clone();
    assert!(matches!(
        source.take_number(),
        Err(Refusal::BeingMoved { .. })
    ));
    assert_eq!(source, before);
    assert!(handed_over().take_number().is_err());
    assert!(incoming().take_number().is_err());
}
