//! What an operator can do about an error of libvirt's.

/// Parts of what libvirt and its QEMU say, and what helps. The first that fits counts.
const ADVICE: [(&str, &str); 10] = [
    (
        "Permission denied",
        "QEMU runs as a user of its own, usually libvirt-qemu, which must be able to enter every directory above the file; \
         if it can, look for AppArmor's or SELinux' refusal in the kernel's log",
    ),
    (
        "Cannot access storage file",
        "the definition of the domain names this file: put it there, or correct the path with `virsh edit`",
    ),
    (
        "Failed to get",
        "another process has the image open: `fuser` names it, and `virsh list --all` a domain that uses it too",
    ),
    (
        "cannot acquire state change lock",
        "something else is done with this domain and has not ended: `virsh domjobinfo` says what",
    ),
    (
        "Cannot allocate memory",
        "this host has too little free memory for the guest: `free -m`",
    ),
    (
        "cannot set up guest memory",
        "this host has too little free memory, or too few huge pages, for the guest: `free -m`",
    ),
    (
        "host CPU",
        "the processor of this host lacks something: define the domain at both sites with a model that both have \
         (`virsh domcapabilities` lists them)",
    ),
    (
        "network is not active",
        "start the network of this site that the definition names: `virsh net-start`",
    ),
    (
        "Cannot get interface MTU",
        "the bridge that the definition names is not there: make it, or name another with `virsh edit`",
    ),
    (
        "No space left on device",
        "make room where the domain's disks are",
    ),
];

/// What to do about `reason`, where that is known.
pub(super) fn on(reason: &str) -> Option<&'static str> {
    let fits = |(said, _): &&(&str, &str)| reason.contains(said);
    ADVICE.iter().find(fits).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_errors_come_with_advice() {
        for (said, helps) in [
            (
                "Cannot access storage file '/x/vm1.qcow2' (as uid:64055, gid:64055): Permission denied",
                "libvirt-qemu",
            ),
            (
                "internal error: process exited while connecting to monitor: Failed to get \"write\" lock",
                "fuser",
            ),
            (
                "the CPU is incompatible with host CPU: Host CPU does not provide required features: avx2",
                "domcapabilities",
            ),
        ] {
            assert!(
                on(said).is_some_and(|advice| advice.contains(helps)),
                "{said}"
            );
        }
        assert_eq!(
            on("operation failed: job 'migration out' unexpectedly failed"),
            None
        );
    }
}
