//! Who is fenced when.

use ilnp_core::id::Nid;
use ilnp_core::relocation::Instance;
use proptest::prelude::*;

use super::*;
use crate::identity::Fingerprint;
use crate::kernel::Generation;

const NID: Nid = Nid::from_bits(0x0214_4fff_fe20_ee64);

fn generation(n: u8) -> Generation {
    Generation::from_octets([n; 16])
}

fn machine(uuid: &str) -> Fingerprint {
    Fingerprint {
        machine_id: Some("m".to_owned()),
        product_uuid: Some(uuid.to_owned()),
    }
}

fn fresh() -> Custody {
    Custody::new(NID, machine("u"), Some(generation(1)))
}

fn run(epoch: u64, instance: u128) -> Evidence {
    Evidence::Run {
        epoch,
        instance: Instance(instance),
        generation: None,
    }
}

fn order(epoch: u64) -> Evidence {
    Evidence::Order {
        epoch,
        reason: "moved to b".to_owned(),
    }
}

/// A copy that was told of epoch 12, and instance 1.
fn told() -> Custody {
    let mut custody = fresh();
    assert_eq!(custody.weigh(run(12, 1)), Ok(Step::Grant));
    custody
}

fn kind(custody: &Custody) -> Option<&'static str> {
    custody.fenced().map(Fenced::kind)
}

#[test]
fn the_same_run_is_no_news() {
    let mut custody = told();
    assert_eq!(custody.weigh(run(12, 1)), Ok(Step::Nothing));
    let seen = Evidence::Generation(generation(1));
    assert_eq!(custody.weigh(seen), Ok(Step::Nothing));
    let seen = Evidence::Machine(machine("u"));
    assert_eq!(custody.weigh(seen), Ok(Step::Nothing));
    assert_eq!(kind(&custody), None);
}

#[test]
fn another_run_in_the_same_epoch_is_a_copy() {
    let mut copy = told();
    assert_eq!(copy.weigh(run(12, 2)), Ok(Step::Fence));
    assert_eq!(kind(&copy), Some("instance"));
    assert_eq!(copy.weigh(run(12, 2)), Ok(Step::Nothing), "once");
}

#[test]
fn a_lower_epoch_is_a_stale_copy() {
    let mut copy = told();
    assert_eq!(copy.weigh(run(11, 1)), Ok(Step::Fence));
    assert_eq!(kind(&copy), Some("stale"));
}

#[test]
fn a_higher_epoch_hands_over_from_one_copy_to_the_other() {
    let mut winner = told();
    let mut loser = winner.clone();
    assert_eq!(winner.weigh(run(12, 2)), Ok(Step::Fence));
    assert_eq!(winner.weigh(run(13, 2)), Ok(Step::Grant));
    assert_eq!(kind(&winner), None);
    assert_eq!(loser.weigh(order(13)), Ok(Step::Fence));
    assert_eq!(kind(&loser), Some("ordered"));
    assert_eq!(loser.weigh(run(13, 1)), Ok(Step::Nothing), "not its epoch");
    assert_eq!(loser.weigh(run(14, 1)), Ok(Step::Grant));
}

#[test]
fn an_order_that_is_out_of_date_changes_nothing() {
    let mut custody = told();
    let before = custody.clone();
    let refused = custody.weigh(order(11)).unwrap_err();
    assert!(refused.to_string().contains("since epoch 12"), "{refused}");
    assert_eq!(custody, before);
}

#[test]
fn another_generation_is_a_copy_until_custody_is_granted() {
    let mut copy = told();
    let restored = Evidence::Generation(generation(2));
    assert_eq!(copy.weigh(restored.clone()), Ok(Step::Fence));
    assert_eq!(kind(&copy), Some("generation"));
    assert_eq!(copy.weigh(restored.clone()), Ok(Step::Nothing));
    assert_eq!(copy.weigh(run(12, 1)), Ok(Step::Nothing), "no new epoch");
    assert_eq!(kind(&copy), Some("generation"));
    assert_eq!(copy.weigh(run(13, 2)), Ok(Step::Grant));
    assert_eq!(copy.weigh(restored), Ok(Step::Nothing));
    assert_eq!(kind(&copy), None);
}

#[test]
fn a_grant_covers_the_generation_of_its_moment() {
    let mut copy = told();
    let grant = Evidence::Run {
        epoch: 13,
        instance: Instance(2),
        generation: Some(generation(2)),
    };
    assert_eq!(copy.weigh(grant), Ok(Step::Grant));
    let seen_later = Evidence::Generation(generation(2));
    assert_eq!(copy.weigh(seen_later), Ok(Step::Nothing));
}

#[test]
fn a_generation_that_appears_later_is_noted() {
    let mut custody = Custody::new(NID, machine("u"), None);
    let seen = |n| Evidence::Generation(generation(n));
    assert_eq!(custody.weigh(seen(1)), Ok(Step::Remember));
    assert_eq!(custody.weigh(seen(2)), Ok(Step::Fence));
}

#[test]
fn an_operator_decides_where_no_agent_has_spoken() {
    for evidence in [
        Evidence::Generation(generation(2)),
        Evidence::Machine(machine("v")),
    ] {
        let mut copy = fresh();
        assert_eq!(copy.weigh(evidence.clone()), Ok(Step::Fence));
        assert_eq!(copy.weigh(Evidence::Only), Ok(Step::Grant));
        assert_eq!(copy.weigh(evidence), Ok(Step::Nothing));
        assert_eq!(copy.weigh(Evidence::Only), Err(Refused::NotFenced));
    }
}

#[test]
fn an_operator_cannot_take_custody_from_an_agent() {
    for (evidence, why) in [
        (run(12, 2), "instance"),
        (run(3, 1), "stale"),
        (order(13), "ordered"),
    ] {
        let mut copy = told();
        copy.weigh(evidence).unwrap();
        let refused = copy.weigh(Evidence::Only).unwrap_err();
        assert!(matches!(refused, Refused::Agent(_)), "{refused}");
        assert!(
            refused.to_string().contains("ilnp-relocate start"),
            "{refused}"
        );
        assert_eq!(kind(&copy), Some(why));
    }
}

#[test]
fn what_the_agent_says_goes_before_what_the_machine_looks_like() {
    let mut copy = told();
    copy.weigh(Evidence::Generation(generation(2))).unwrap();
    assert_eq!(copy.weigh(run(12, 2)), Ok(Step::Remember));
    assert_eq!(kind(&copy), Some("instance"));
}

#[test]
fn a_fenced_copy_stays_fenced_over_restarts_until_it_has_another_identifier() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("not/yet/there");
    let open = |nid, now| Guard::open(&state, nid, &machine("u"), Some(generation(now)));
    let mut guard = open(NID, 1).unwrap();
    let mut custody = guard.custody().clone();
    custody.weigh(order(5)).unwrap();
    guard.set(custody);
    guard.save().unwrap();
    for _ in 0..2 {
        assert_eq!(kind(open(NID, 1).unwrap().custody()), Some("ordered"));
    }
    let other = Nid::from_bits(7);
    assert_eq!(kind(open(other, 1).unwrap().custody()), None);
}

#[test]
fn a_copy_that_was_made_while_no_daemon_ran_is_noticed_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let open = |uuid, n| Guard::open(directory.path(), NID, &machine(uuid), Some(generation(n)));
    assert_eq!(kind(open("u", 1).unwrap().custody()), None);
    assert_eq!(kind(open("u", 2).unwrap().custody()), Some("generation"));
    assert_eq!(kind(open("u", 2).unwrap().custody()), Some("generation"));
    forget(directory.path()).unwrap();
    assert_eq!(kind(open("u", 2).unwrap().custody()), None);
    assert_eq!(kind(open("v", 2).unwrap().custody()), Some("machine"));
}

#[test]
fn a_damaged_file_is_named_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Guard::open(directory.path(), NID, &machine("u"), None);
    open().unwrap();
    let path = directory.path().join("custody.json");
    let good = std::fs::read_to_string(&path).unwrap();
    for text in [
        "",
        "{}",
        &good[..good.len() / 2],
        &good.replace(": 1,", ": 2,"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = open().unwrap_err().to_string();
        assert!(error.contains("no other copy runs"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

/// What can happen to the copies of a guest.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// A copy is made of one, which has a run of its own.
    Copy(usize),
    /// The agents hand the guest over to a copy.
    HandOver(usize),
    /// The agent of a copy says which run this is, as it knows it.
    Hello(usize),
    /// The agent of a copy fences it.
    Fence(usize),
    /// The daemon of a copy is killed, and starts again with what it saved.
    Restart(usize),
    /// The hypervisor of a copy gives it another Generation ID.
    Generation(usize),
    /// The operator of a copy says that no other runs, which is wrong.
    Lie(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    (0..7u8, 0..4usize).prop_map(|(what, whom)| match what {
        0 => Happening::Copy(whom),
        1 => Happening::HandOver(whom),
        2 => Happening::Hello(whom),
        3 => Happening::Fence(whom),
        4 => Happening::Restart(whom),
        5 => Happening::Generation(whom),
        _ => Happening::Lie(whom),
    })
}

/// A copy, its run, and the epoch that its agent last gave this run.
struct Copy {
    custody: Custody,
    instance: u128,
    epoch: u64,
    /// Whether its agent spoke to it since it was made.
    met: bool,
}

proptest! {
    /// However copies come to be: of those that their agents have spoken to, each has an epoch of
    /// its own, and none that was fenced goes on without a newer one. So when the agents fence the
    /// owner before they hand over, there is one at most.
    #[test]
    fn no_two_copies_have_one_epoch(steps in prop::collection::vec(happening(), 1..60)) {
        let mut epoch = 1;
        let mut copies = vec![Copy { custody: fresh(), instance: 0, epoch, met: false }];
        copies[0].custody.weigh(run(1, 0)).unwrap();
        copies[0].met = true;
        for (n, step) in (1..).zip(steps) {
            let count = copies.len();
            let (Happening::Copy(whom) | Happening::HandOver(whom) | Happening::Hello(whom)
                | Happening::Fence(whom) | Happening::Restart(whom)
                | Happening::Generation(whom) | Happening::Lie(whom)) = step;
            let one = &mut copies[whom % count];
            let was = one.custody.clone();
            match step {
                Happening::Copy(_) => {
                    let (custody, epoch) = (one.custody.clone(), one.epoch);
                    copies.push(Copy { custody, instance: n, epoch, met: false });
                    continue;
                }
                Happening::HandOver(_) => {
                    epoch += 1;
                    one.epoch = epoch;
                    prop_assert_eq!(one.custody.weigh(run(epoch, one.instance)), Ok(Step::Grant));
                    one.met = true;
                    prop_assert!(one.custody.fenced().is_none());
                }
                Happening::Hello(_) => {
                    one.custody.weigh(run(one.epoch, one.instance)).unwrap();
                    one.met = true;
                }
                Happening::Fence(_) => {
                    one.custody.weigh(order(epoch)).unwrap();
                    prop_assert!(one.custody.fenced().is_some());
                }
                Happening::Restart(_) => {
                    let text = serde_json::to_string(&one.custody).unwrap();
                    one.custody = serde_json::from_str(&text).unwrap();
                }
                Happening::Generation(_) => {
                    let octet = u8::try_from(n).unwrap();
                    one.custody.weigh(Evidence::Generation(generation(octet))).unwrap();
                }
                Happening::Lie(_) => {
                    let _ = one.custody.weigh(Evidence::Only);
                }
            }
            let freed = was.fenced().is_some() && one.custody.fenced().is_none();
            let newer = one.custody.tenure().map(|t| t.epoch) > was.tenure().map(|t| t.epoch);
            let operators = matches!(step, Happening::Lie(_));
            prop_assert!(!freed || newer || operators, "{:?}", step);
            let known = |c: &Custody| c.tenure().map(|tenure| tenure.epoch);
            prop_assert!(known(&one.custody) >= known(&was), "epochs never go back");
            let mut epochs: Vec<_> = copies
                .iter()
                .filter(|copy| copy.met && copy.custody.fenced().is_none())
                .map(|copy| known(&copy.custody))
                .collect();
            let all = epochs.len();
            epochs.sort();
            epochs.dedup();
            prop_assert_eq!(epochs.len(), all, "two copies go on in one epoch");
        }
    }

    /// What is in the file can be anything.
    #[test]
    fn no_file_makes_it_panic(text in prop::collection::vec(any::<u8>(), 0..400)) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("custody.json"), text).unwrap();
        let _ = Guard::open(directory.path(), NID, &machine("u"), None);
    }
}
