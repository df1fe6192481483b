//! Arguments of a QEMU that touches nothing outside: for a machine that is only looked at.
//!
//! To open a socket that it listens on, QEMU removes whatever has that name, which may be another
//! guest's; a file it makes empty; a network device it may put into a bridge. None of this is part
//! of the machine: devices see what is behind them by its name alone.

use serde_json::Value;

/// The same machine, with nothing behind its character and network devices.
pub(super) fn apart(arguments: &[String]) -> Vec<String> {
    let mut changed = Vec::with_capacity(arguments.len());
    let mut arguments = arguments.iter();
    while let Some(option) = arguments.next() {
        changed.push(option.clone());
        let Some(replace) = replacement(option) else {
            continue;
        };
        if let Some(value) = arguments.next() {
            changed.push(replace(value).unwrap_or_else(|| value.clone()));
        }
    }
    changed
}

/// What takes the place of an option's value; `None` where it may stay.
type Replace = fn(&str) -> Option<String>;

/// How the value of an option is replaced, if it is. QEMU takes one dash or two.
fn replacement(option: &str) -> Option<Replace> {
    let name = option.strip_prefix('-')?;
    match name.strip_prefix('-').unwrap_or(name) {
        "chardev" => Some(character_device),
        "netdev" => Some(network_device),
        "serial" | "parallel" | "debugcon" | "monitor" | "qmp" | "qmp-pretty" => Some(console),
        "vnc" | "gdb" => Some(|_| Some("none".to_owned())),
        _ => None,
    }
}

fn character_device(value: &str) -> Option<String> {
    let keys = keys(value);
    let id = keys.iter().find(|key| key.starts_with("id="))?;
    // Several devices share one that is multiplexed.
    let multiplexed = keys.iter().any(|key| key == "mux=on" || key == "mux");
    let end = if multiplexed { ",mux=on" } else { "" };
    Some(format!("null,{id}{end}"))
}

fn network_device(value: &str) -> Option<String> {
    let id = match serde_json::from_str::<Value>(value) {
        Ok(value) => format!("id={}", value["id"].as_str()?),
        Err(_) => keys(value).into_iter().find(|key| key.starts_with("id="))?,
    };
    Some(format!("hubport,{id},hubid=0"))
}

/// The short forms that describe a character device in the place where it is used.
fn console(value: &str) -> Option<String> {
    let stays = value.starts_with("chardev:") || value == "none";
    (!stays).then(|| "null".to_owned())
}

/// What lies between the commas. A comma that is written twice is part of a value.
fn keys(value: &str) -> Vec<String> {
    let mut keys = vec![String::new()];
    let mut letters = value.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == ',' && letters.next_if_eq(&',').is_none() {
            keys.push(String::new());
        } else if let Some(key) = keys.last_mut() {
            key.push(letter);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str) -> String {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        apart(&arguments).join(" ")
    }

    #[test]
    fn nothing_is_behind_the_devices() {
        assert_eq!(
            line(
                "-chardev socket,id=agent,path=/run/a.sock,server=on,wait=off -device virtserialport,chardev=agent"
            ),
            "-chardev null,id=agent -device virtserialport,chardev=agent"
        );
        assert_eq!(
            line("--chardev file,path=/log,,id=x,mux=on,id=log -serial chardev:log"),
            "--chardev null,id=log,mux=on -serial chardev:log"
        );
        assert_eq!(
            line("-netdev tap,ifname=tap0,script=/up,id=net0 -device virtio-net-pci,netdev=net0"),
            "-netdev hubport,id=net0,hubid=0 -device virtio-net-pci,netdev=net0"
        );
        assert_eq!(
            line(r#"-netdev {"type":"tap","id":"net0"}"#),
            "-netdev hubport,id=net0,hubid=0"
        );
        assert_eq!(
            line("-serial unix:/s,server=on -serial none -qmp unix:/q,server=on -vnc :1"),
            "-serial null -serial none -qmp null -vnc none"
        );
    }

    #[test]
    fn the_rest_stays() {
        for same in [
            "-device virtio-rng-pci -kernel -chardev",
            "-chardev socket,path=/no-identifier",
            "-append console=ttyS0,115200 -boot order=c",
        ] {
            assert_eq!(line(same), same);
        }
    }
}
