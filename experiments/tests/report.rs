//! The report of two made-up runs, as people and programs see it.

use std::time::Duration;

use experiments::lab::MoveTimes;
use experiments::measure::flow::{Arrival, Flow, Unit};
use experiments::measure::records::Shown;
use experiments::measure::updates::Update;
use experiments::report::{Kind, Report};
use experiments::run::{Moved, Published, Reached, Run, Watched, Witness};
use experiments::scenario::{
    Host, Move, MoveKind, Program, Protocol, Protocols, Scenario, Software, Workload,
};
use experiments::workload::Observed;
use ilnp_core::id::{IlVector, Locator, Nid};
use ilnp_relocate::channel::RelocationId;
use ilnp_relocate::hypervisor::Storage;
use ilnp_relocate::report::{Outcome, Phase, PhaseTimes, Report as Relocation, Sent};

const START: Duration = Duration::from_secs(3);

fn at(milliseconds: u64) -> Duration {
    START + Duration::from_millis(milliseconds)
}

/// A probe every 10 ms for six seconds but for a silence from 2 s on.
fn flow(from: &str, to: &str, unit: Unit, resumes: Option<u64>) -> Flow {
    let silent = 2000..resumes.map_or(u64::MAX, |number| number * 10);
    let numbers = (0..600u64).filter(|number| !silent.contains(&(number * 10)));
    Flow {
        from: from.to_owned(),
        to: to.to_owned(),
        unit,
        sent: Some(600),
        arrivals: numbers
            .map(|number| Arrival {
                at: at(number * 10),
                number,
                delay: Some(Duration::from_micros(10_250)),
            })
            .collect(),
        complete: None,
    }
}

fn session(program: Program, flows: Vec<Flow>, intact: Option<bool>) -> Watched {
    Watched {
        workload: Workload::new(program, "mobile", "fixed"),
        start: START,
        reached: None,
        observed: Observed {
            flows,
            failure: None,
            intact,
        },
    }
}

fn moved(usable: u64, updated: Option<u64>, acknowledged: Option<u64>) -> Moved {
    Moved {
        step: Move {
            host: "mobile".to_owned(),
            at: Duration::from_secs(2),
            to: "b".to_owned(),
            kind: MoveKind::Hard,
            overlap: Duration::ZERO,
            silence: Duration::ZERO,
            bandwidth: None,
            fault: None,
        },
        times: MoveTimes {
            cut: at(2001),
            attached: at(2030),
        },
        usable: Some(at(usable)),
        updated: updated.map(at),
        acknowledged: acknowledged.map(at),
        relocation: None,
        published: vec![],
    }
}

fn update(milliseconds: u64, acknowledgement: bool) -> Update {
    let locator = Locator::from_bits(0x2001_0db8_000b_0000);
    let address = |nid| IlVector::new(Nid::from_bits(nid), locator).address();
    let mobile = address(0x0214_4fff_fe20_ee64);
    let fixed = address(0x0216_6fff_fe22_ee66);
    let (source, destination) = if acknowledgement {
        (fixed, mobile)
    } else {
        (mobile, fixed)
    };
    Update {
        at: at(milliseconds),
        acknowledgement,
        source,
        destination,
        locators: vec![locator],
    }
}

fn run(protocol: Protocol, resumes: Option<u64>) -> Run {
    let over_ilnp = protocol == Protocol::Ilnp;
    let to = |unit| flow("mobile", "fixed", unit, resumes);
    let back = flow("fixed", "mobile", Unit::Packets, resumes);
    Run {
        protocol,
        start: START,
        end: at(6000),
        moves: vec![moved(
            2044,
            over_ilnp.then_some(2046),
            over_ilnp.then_some(2068),
        )],
        sessions: vec![
            session(Program::Udp, vec![to(Unit::Packets), back], None),
            session(Program::Tcp, vec![to(Unit::Records)], Some(true)),
        ],
        updates: if over_ilnp {
            vec![update(2046, false), update(2068, true)]
        } else {
            vec![]
        },
        names: vec![],
    }
}

fn scenario() -> Scenario {
    Scenario {
        name: "one move".to_owned(),
        published: None,
        protocol: Protocols::Both,
        duration: Duration::from_secs(6),
        seed: 0,
        captures: true,
        sites: vec![],
        hosts: vec![],
        name_servers: vec![],
        repeat: None,
        moves: vec![],
        workloads: vec![],
    }
}

fn runs() -> Vec<Run> {
    vec![run(Protocol::Ipv6, None), run(Protocol::Ilnp, Some(208))]
}

#[test]
fn the_table_shows_both_protocols_side_by_side() {
    insta::assert_snapshot!(Report::new(&scenario(), &runs()).table());
}

#[test]
fn the_json_document_has_a_schema_number() {
    insta::assert_snapshot!(Report::new(&scenario(), &runs()).json().unwrap());
}

#[test]
fn only_what_dies_over_ilnp_is_a_failure() {
    let judge = |runs: &[Run]| Report::new(&scenario(), runs).ilnp_survived();
    assert!(judge(&runs()));
    assert!(!judge(&[run(Protocol::Ilnp, None)]));
    let mut damaged = run(Protocol::Ilnp, Some(208));
    damaged.sessions[1].observed.intact = Some(false);
    assert!(!judge(&[damaged]));
}

/// A run over ILNP in which one host goes by its name, and a name server says where it is.
fn run_by_name(last_shown: Locator, reached: Locator) -> Run {
    let mut run = run(Protocol::Ilnp, Some(208));
    run.moves[0].published = vec![("ns1".to_owned(), Some(at(2055)))];
    run.sessions[1].workload.by_name = true;
    run.sessions[1].start = at(3000);
    run.sessions[1].reached = Some(Reached {
        at: at(3000),
        locator: reached,
        expected: vec![NEW],
    });
    run.names = vec![Published {
        host: "mobile".to_owned(),
        software: Software::Bind,
        expected: vec![NEW],
        shown: Shown {
            server: "ns1".to_owned(),
            name: "mobile.example.org".to_owned(),
            changes: vec![(at(0), vec![OLD]), (at(2055), vec![last_shown])],
        },
        witnesses: vec![Witness {
            program: "dig".to_owned(),
            locators: vec![NEW],
        }],
    }];
    run
}

const OLD: Locator = Locator::from_bits(0x2001_0db8_000a_0000);
const NEW: Locator = Locator::from_bits(0x2001_0db8_000b_0000);

#[test]
fn the_table_shows_who_was_found_by_name() {
    insta::assert_snapshot!(Report::new(&scenario(), &[run_by_name(NEW, NEW)]).table());
}

#[test]
fn a_wrong_name_server_and_a_session_that_went_astray_are_failures() {
    let judge = |run| Report::new(&scenario(), &[run]).is_success();
    assert!(judge(run_by_name(NEW, NEW)));
    assert!(!judge(run_by_name(OLD, NEW)));
    assert!(!judge(run_by_name(NEW, OLD)));
}

#[test]
fn every_file_of_a_report_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let runs = runs();
    Report::new(&scenario(), &runs)
        .write(&runs, folder.path())
        .unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("sessions.csv").lines().count(), 1 + 2 * 3);
    assert_eq!(read("ilnp-arrivals.csv").lines().count(), 1 + 3 * 592);
    for name in ["ipv6-timeline.svg", "ilnp-timeline.svg"] {
        let text = read(name);
        assert!(text.trim_end().ends_with("</svg>"), "{name}");
        for label in [
            "packet number",
            "time since the move began [ms]",
            "Locator Update sent",
        ] {
            assert!(text.contains(label), "{name}: {label}");
        }
    }
    assert!(read("report.json").contains("\"schema\": 1"));
    assert!(!read("report.txt").is_empty());
}

/// Moves inside a site and to the other one take turns; the first gap of all is the longest.
fn run_of_a_machine() -> (Scenario, Run) {
    let mut scenario = scenario();
    scenario.published = Some("VirtualWire (NSDI 2013): 1.4 s".to_owned());
    let nid = Nid::from_bits(0x0214_4fff_fe20_ee64);
    scenario.hosts = vec![Host::new("mobile", "a", nid)];
    let mut run = run(Protocol::Ilnp, None);
    let step = moved(2044, None, None);
    let moves = [("a", 1000), ("b", 3000), ("b", 5000), ("a", 7000)];
    run.moves = moves
        .map(|(to, cut)| Moved {
            step: Move {
                to: to.to_owned(),
                ..step.step.clone()
            },
            times: MoveTimes {
                cut: at(cut),
                attached: at(cut + 40),
            },
            usable: None,
            ..step.clone()
        })
        .into();
    run.end = at(9000);
    let silent = |gaps: [u64; 4]| {
        let silences: Vec<_> = moves
            .iter()
            .zip(gaps)
            .map(|(m, gap)| m.1..m.1 + gap)
            .collect();
        let times = (0..900u64).map(|number| number * 10);
        let arrivals = times.filter(|ms| !silences.iter().any(|silence| silence.contains(ms)));
        Flow {
            arrivals: arrivals.map(|ms| Arrival::new(at(ms), ms / 10)).collect(),
            ..flow("mobile", "fixed", Unit::Packets, None)
        }
    };
    let records = Flow {
        unit: Unit::Records,
        ..silent([240, 340, 200, 300])
    };
    run.sessions = vec![
        session(Program::Udp, vec![silent([200, 300, 100, 150])], None),
        session(Program::Tcp, vec![records], Some(true)),
    ];
    (scenario, run)
}

#[test]
fn what_moves_cost_is_told_beyond_what_a_migration_costs() {
    let (scenario, run) = run_of_a_machine();
    let report = Report::new(&scenario, &[run]);
    let values = |measure: &str, kind| {
        let mut all = report.runs[0].interruptions.iter();
        let found = all.find(|one| one.measure.contains(measure) && one.moves == kind);
        found.map(|one| (one.median_ms, one.largest_ms, one.values_ms.clone()))
    };
    let gap = "udp mobile -> fixed: gap";
    assert_eq!(
        values(gap, Kind::InsideASite),
        Some((110.0, 210.0, vec![210.0, 110.0]))
    );
    assert_eq!(
        values(gap, Kind::Hard),
        Some((160.0, 310.0, vec![310.0, 160.0]))
    );
    assert_eq!(
        values(gap, Kind::HardDifference),
        Some((50.0, 100.0, vec![100.0, 50.0]))
    );
    let stall = "tcp mobile -> fixed: stall beyond the gap of udp";
    assert_eq!(
        values(stall, Kind::Hard),
        Some((40.0, 150.0, vec![40.0, 150.0]))
    );
    let table = report.table();
    assert!(table.contains("VirtualWire (NSDI 2013): 1.4 s"), "{table}");
    assert!(
        table.contains("hard, beyond inside  2   50 ms   100 ms   100 ms"),
        "{table}"
    );
}

#[test]
fn a_difference_needs_a_move_inside_a_site_before() {
    let (scenario, mut run) = run_of_a_machine();
    run.moves.retain(|moved| moved.step.to == "b");
    run.moves.truncate(1);
    run.moves.extend(run_of_a_machine().1.moves.pop());
    let report = Report::new(&scenario, &[run]);
    let mut all = report.runs[0].interruptions.iter();
    assert!(all.all(|one| one.moves == Kind::Hard));
}

/// A machine moves once, and its copy takes from 2 s to 4 s; two others talk all the time, and half of
/// what they say during the copy comes late or not at all.
#[test]
fn neighbours_of_a_move_are_told_beside_the_time_before() {
    let (mut scenario, mut run) = run_of_a_machine();
    for (name, nid) in [
        ("left", 0x0216_6fff_fe22_ee66),
        ("right", 0x0218_8fff_fe24_ee68),
    ] {
        scenario
            .hosts
            .push(Host::new(name, "a", Nid::from_bits(nid)));
    }
    let phase = |phase, at_ms| PhaseTimes {
        phase,
        at_ms,
        took_ms: None,
    };
    let relocation = Relocation {
        schema: 1,
        relocation: RelocationId::random().unwrap(),
        guest: "mobile".to_owned(),
        from: "a".parse().unwrap(),
        to: "b".parse().unwrap(),
        epoch: 1,
        asked_s: 0.0,
        outcome: Some(Outcome::Moved),
        reason: None,
        storage: Storage::None,
        soft: false,
        unprepared: None,
        phases: vec![
            phase(Phase::Prepare, 0.0),
            phase(Phase::Memory, 100.0),
            phase(Phase::Stop, 2060.0),
        ],
        sent: Sent::default(),
        downtime_ms: None,
        stopped_ms: None,
        told: vec![],
    };
    run.moves.truncate(1);
    run.moves[0].times = MoveTimes {
        cut: at(3960),
        attached: at(4000),
    };
    run.moves[0].relocation = Some(relocation);
    let copied = 2000..4000;
    let arrivals = (0..600u64).filter(|number| {
        let lost = copied.contains(&(number * 10)) && number % 2 == 1;
        !lost
    });
    let slow = |ms: u64| if copied.contains(&ms) { 30 } else { 20 };
    let datagrams = Flow {
        arrivals: arrivals
            .map(|number| Arrival {
                at: at(number * 10),
                number,
                delay: Some(Duration::from_millis(slow(number * 10))),
            })
            .collect(),
        ..flow("left", "left", Unit::Packets, None)
    };
    let octets = Flow {
        arrivals: (0..600u64)
            .map(|number| Arrival::new(at(number * 10), (number + 1) * 100))
            .collect(),
        ..flow("left", "right", Unit::Octets, None)
    };
    for (program, flow) in [(Program::Udp, datagrams), (Program::Iperf3, octets)] {
        run.sessions.push(Watched {
            workload: Workload::new(program, "left", "right"),
            ..session(program, vec![flow], None)
        });
    }
    let report = Report::new(&scenario, &[run]);
    let neighbours = &report.runs[0].neighbours;
    let programs: Vec<_> = neighbours.iter().map(|one| one.program).collect();
    assert_eq!(
        programs,
        [Program::Udp, Program::Iperf3],
        "the machine's own are none"
    );
    let beside = neighbours.iter().map(|one| one.flows[0].moves[0]);
    let found: Vec<_> = beside
        .map(|one| {
            let share = |value: f64| (value * 100.0).round() / 100.0;
            (share(one.throughput()), one.delay().map(share))
        })
        .collect();
    assert_eq!(found, [(0.5, Some(1.5)), (1.0, None)]);
    assert!(
        report
            .table()
            .contains("Neighbours before and during copies over ILNPv6")
    );
}
