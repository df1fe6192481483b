//! `ilnp-lab`: sites, links, hosts and moves in network namespaces, with real programs as
//! workloads, and measurements of what a move costs them.
//!
//! A scenario says what there is and what happens ([`scenario`]):
//!
//! ```
//! let scenario = experiments::scenario::parse(
//!     r#"
//! name = "one move"
//! protocol = "both"           # plain IPv6 and then ILNP; or "ipv6", "ilnp"
//! duration = "12s"            # from the moment at which every session is established
//! seed = 1                    # of what chance there is in links
//! captures = true             # a pcap for every interface of every host; the default
//!
//! [[site]]
//! name = "a"
//! prefixes = ["2001:db8:a::/64"]
//!
//! [[site]]
//! name = "b"
//! prefixes = ["2001:db8:b::/64"]
//! router = "fe80::1"          # what hosts know it by; the default, at every site the same
//! ra-interval = "200s"        # the default; solicitations are answered at once
//! source-filter = true        # BCP 38, the default
//! hypervisors = 1             # the default, where there are virtual machines
//! [site.link]                 # to the core; a perfect one unless something is said
//! rate = "50mbit"
//! delay = "12.5ms"            # one way
//! jitter = "2ms"
//! loss = "0.5%"
//! duplication = "0.1%"
//! reordering = "0.1%"
//! locator-update-loss = "30%" # on top, for Locator Updates and acknowledgements alone
//!
//! [[host]]
//! name = "mobile"
//! site = "a"
//! nid = "0214:4fff:fe20:ee64"
//!
//! [[host]]
//! name = "fixed"
//! site = "b"
//! nid = "0216:6fff:fe22:ee66"
//! ilnp = true                 # the default; false: no daemon in any run
//! static = true               # its address is configured by hand
//!
//! [[host]]
//! name = "guest"
//! site = "a"
//! nid = "021a:afff:fe26:ee6a"
//! [host.vm]                   # a virtual machine, not a namespace
//! memory = "192MiB"           # the default
//! accelerator = "tcg"         # the default; or "kvm", where guests come up under it
//! [host.vm.disk]              # without it, none
//! size = "1GiB"               # as the guest sees it, on an image that is at every hypervisor
//! written = "512MiB"          # on top of that; moves take this along
//!
//! [[host]]
//! name = "app"
//! site = "a"
//! nid = "021b:bfff:fe27:ee6b"
//! vm = {}
//!
//! [[host]]
//! name = "db"
//! site = "a"
//! nid = "021c:cfff:fe28:ee6c"
//! vm = {}
//!
//! [[name-server]]             # these run when the protocol is ILNP
//! name = "ns1"
//! site = "b"                  # as <first prefix>::53, the next as ::54, and so on
//! kind = "ilnp-dnsd"          # or "bind"
//! zone = "example.org"
//!
//! [[name-server]]
//! name = "ns2"
//! site = "b"
//! kind = "bind"
//! secondary-of = "ns1"
//!
//! [[host]]
//! name = "vm1"
//! site = "a"
//! nid = "0218:8fff:fe24:ee68"
//! [host.dns]                  # publishes itself, with a key of its own
//! name = "vm1.example.org"
//! primaries = ["ns1"]
//! [host.resolver]             # its programs ask its daemon, and that asks these
//! upstreams = ["ns2"]
//!
//! [[move]]
//! host = "mobile"
//! at = "4s"
//! to = "b"
//! kind = "soft"               # or "hard", the default: the old prefix dies at once
//! overlap = "2s"              # attached to both sites for so long
//! silence = "0ms"             # hard: nothing passes for so long before, unseen by the host
//!
//! [repeat]                    # how often all moves are made; without it, once
//! times = 1
//! every = "10s"
//!
//! [[workload]]
//! program = "udp"             # numbered probes; also "tcp", "ssh", "ping", "iperf3"
//! from = "mobile"             # who starts the session
//! to = "fixed"
//! interval = "1ms"
//! direction = "both"          # or "out", "in"
//! at = "6s"                   # starts later; without it, before the time begins
//! by-name = false             # true: the program is given the name of the other host
//!
//! [[workload]]
//! program = "query"           # requests over HTTP, each of which becomes a row in PostgreSQL
//! from = "mobile"
//! to = "guest"                # the web server
//! tiers = ["app", "db"]       # the application behind it, and the database behind that
//! interval = "20ms"
//!
//! [[workload]]
//! program = "curl"            # from nginx; both values are needed
//! from = "mobile"
//! to = "fixed"
//! size = "20MB"
//! speed = "2MB"               # a second
//! "#,
//!     "one-move.toml",
//! )?;
//! # Ok::<(), experiments::scenario::LoadError>(())
//! ```
//!
//! [`run::run`] does it and [`report::Report`] judges it. Tests and benchmarks that want to act in
//! between use a [`lab::Lab`] themselves.
//!
//! | module | what it holds |
//! |---|---|
//! | [`scenario`] | what a scenario says, and what is wrong with it |
//! | [`topology`] | the network: namespaces, veth pairs, routers, hosts |
//! | [`machine`] | hosts that are virtual machines |
//! | [`link`] | imperfect links, by the kernel or by a forwarder of the lab's own |
//! | [`daemon`] | the daemons on the hosts |
//! | [`guest`] | what a virtual machine boots |
//! | [`name_server`] | name servers, their zones and keys |
//! | [`lab`] | all of these at work, and the moves |
//! | [`workload`] | sessions of real programs, and numbered probes |
//! | [`measure`] | arrivals, address changes, Locator Updates |
//! | [`run`] | a scenario from its start to its end |
//! | [`report`] | table, JSON, CSV and time line |

pub mod clock;
pub mod daemon;
pub mod demo;
pub mod error;
pub mod guest;
pub mod interrupt;
pub mod lab;
pub mod link;
pub mod machine;
pub mod measure;
pub mod name_server;
pub mod process;
mod programs;
mod realtime;
pub mod report;
pub mod run;
pub mod scenario;
pub mod topology;
pub mod workload;
