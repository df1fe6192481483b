//! The programs, each with a resolver of its own kind.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use experiments::process;
use experiments::topology::Namespace;
use tests::machine::sh;

/// Prints the addresses of a name in the order in which a program tries them, and what a web server
/// at the first of them that answers says.
const SOURCE: &str = r#"
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct addrinfo want = { .ai_socktype = SOCK_STREAM }, *list, *at;
    int error = getaddrinfo(argv[1], argc > 2 ? "80" : NULL, &want, &list);
    if (error) {
        puts(gai_strerror(error));
        return 1;
    }
    for (at = list; at; at = at->ai_next) {
        char text[128];
        if (argc == 2) {
            getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
            puts(text);
            continue;
        }
        int s = socket(at->ai_family, SOCK_STREAM, 0);
        if (connect(s, at->ai_addr, at->ai_addrlen))
            continue;
        dprintf(s, "GET / HTTP/1.0\r\n\r\n");
        size_t got = 0;
        ssize_t more;
        char reply[4096];
        while ((more = read(s, reply + got, sizeof reply - 1 - got)) > 0)
            got += more;
        reply[got] = 0;
        puts(strstr(reply, "\r\n\r\n") + 4);
        return 0;
    }
    return 0;
}
"#;

/// What a program may take; some wait for a server without a limit of their own.
const PATIENCE: Duration = Duration::from_secs(60);

const PYTHON: &str = "import socket,sys\n\
    for found in socket.getaddrinfo(sys.argv[1], 80, type=socket.SOCK_STREAM):\n\
    \x20   print(found[4][0])";
const PYTHON_FETCH: &str = "import sys,urllib.request as r\n\
    print(r.urlopen('http://%s/' % sys.argv[1], timeout=10).read().decode())";

/// A program that looks names up.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// What runs it somewhere else.
    within: Vec<String>,
    /// Prints the addresses of a name, one a line; not every program can.
    look_up: Option<Vec<String>>,
    /// Prints what the web server there says.
    fetch: Option<Vec<String>>,
}

impl Program {
    /// All of them; those that must be built are built in `directory`.
    pub(crate) fn all(directory: &Path) -> Vec<Self> {
        let glibc = build("cc", directory);
        let musl = build("musl-gcc -static", directory);
        let command = |line: &str| Some(line.split(' ').map(str::to_owned).collect());
        let python = |source: &str| {
            let words = ["python3", "-c", source];
            Some(words.map(str::to_owned).into())
        };
        let all = [
            Self {
                name: "getent",
                within: vec![],
                look_up: command("getent ahosts"),
                fetch: None,
            },
            Self {
                name: "C with glibc",
                within: vec![],
                look_up: command(&glibc),
                fetch: command(&format!("{glibc} {{}} fetch")),
            },
            Self {
                name: "C with musl, static",
                within: vec![],
                look_up: command(&musl),
                fetch: command(&format!("{musl} {{}} fetch")),
            },
            Self {
                name: "Python",
                within: vec![],
                look_up: python(PYTHON),
                fetch: python(PYTHON_FETCH),
            },
            Self {
                name: "curl",
                within: vec![],
                look_up: None,
                fetch: command("curl -sS --max-time 10 http://{}/"),
            },
            Self {
                name: "busybox, static",
                within: vec![],
                look_up: None,
                fetch: command("busybox wget -q -O - http://{}/"),
            },
        ];
        all.into()
    }

    /// All of them, in a namespace.
    pub(crate) fn all_in(namespace: &Namespace, directory: &Path) -> Vec<Self> {
        let within = ["ip", "netns", "exec", namespace.name()].map(str::to_owned);
        let mut all = Self::all(directory);
        for program in &mut all {
            program.within = within.to_vec();
        }
        all
    }

    /// The addresses of a name, in the order in which they are tried, each once.
    #[track_caller]
    pub(crate) fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        let said = self.run(self.look_up.as_ref()?, name);
        let mut addresses = Vec::new();
        for line in said.lines() {
            let word = line.split_ascii_whitespace().next().unwrap_or_default();
            let address = word.parse();
            let address = address.unwrap_or_else(|_| panic!("{} says {said:?}", self.name));
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Some(addresses)
    }

    /// The address at which a web server of that name was reached.
    #[track_caller]
    pub(crate) fn reaches(&self, name: &str) -> Option<IpAddr> {
        let said = self.run(self.fetch.as_ref()?, name);
        let address = said.trim().parse();
        Some(address.unwrap_or_else(|_| panic!("{} says {said:?}", self.name)))
    }

    /// Runs a command in which `{}` stands for the name; without that, the name comes last.
    #[track_caller]
    fn run(&self, words: &[String], name: &str) -> String {
        let mut words = [&self.within, words].concat();
        if words.iter().any(|word| word.contains("{}")) {
            words = words.iter().map(|word| word.replace("{}", name)).collect();
        } else {
            words.push(name.to_owned());
        }
        let mut command = Command::new(&words[0]);
        let output = process::output(command.args(&words[1..]), "", PATIENCE).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said} {errors}");
        said
    }
}

fn build(compiler: &str, directory: &Path) -> String {
    let source = directory.join("program.c");
    std::fs::write(&source, SOURCE).unwrap();
    let program = directory.join(compiler.split(' ').next().unwrap());
    let (program, source) = (program.display(), source.display());
    sh(&format!("{compiler} -O1 -o {program}.out {source}")).unwrap();
    format!("{program}.out")
}
